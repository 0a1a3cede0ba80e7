//! Consistency of the READMEs with the examples and manifests.

use std::{fs, path::Path};

const README: &str = include_str!("../../README.md");
const OPERATOR_README: &str = include_str!("../../operator/README.md");

/// The code block of a document that contains `start`.
fn block<'a>(document: &'a str, start: &str) -> &'a str {
    let (before, after) =
        document.split_once(start).unwrap_or_else(|| panic!("the document lacks {start:?}"));
    let begin =
        before.rfind("```").map_or(0, |fence| fence + before[fence..].find('\n').unwrap_or_default() + 1);
    let end = before.len() + start.len() + after.find("\n```").unwrap_or(after.len());
    &document[begin..end]
}

#[test]
fn the_operator_that_greets_in_the_readme_is_the_first_example() {
    let example = code(include_str!("../01-minimal.rs"));
    assert_eq!(block(README, "#[korf::on_create(KopfExample)]\nasync"), example);
}

/// A program without its explanation.
fn code(program: &str) -> String {
    let lines = program.lines().skip_while(|line| line.is_empty() || line.starts_with("//!"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_page_of_ones_own_operator_quotes_the_program_and_its_test() {
    let page = include_str!("../../docs/your-own-operator.md");
    let program = block(page, "#[korf::on_create(ConfigMap, labels");
    let test = block(page, "#[cfg(test)]");
    assert_eq!(format!("{program}\n\n{test}"), code(include_str!("../your-own-operator.rs")));
}

#[test]
fn the_first_table_in_the_operators_readme_is_the_kopf_demos_manifest() {
    let manifest = include_str!("../../operator/manifests/kopf-demo-cr.yaml");
    assert!(block(OPERATOR_README, "kind: DatabaseTable").contains(manifest), "{manifest}");
}

#[test]
fn each_example_is_in_the_table_and_short() {
    let table = include_str!("../README.md");
    let mut examples = 0;
    for path in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap().map(|entry| entry.unwrap().path()) {
        let Some(name) = example(&path) else { continue };
        examples += 1;
        assert!(table.contains(&format!("| [{name}]({name}.rs) |")), "{name} is not in the table");
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(lines < 80, "{name} has {lines} lines");
    }
    assert!(examples > 0);
}

#[test]
fn commands_that_run_a_program_name_no_package() {
    // With a package, cargo chooses other features for the dependencies, and compiles them once more.
    let documents = [
        README,
        OPERATOR_README,
        include_str!("../README.md"),
        include_str!("../../tests/sandbox/README.md"),
    ];
    for line in documents.into_iter().flat_map(str::lines).filter(|line| line.contains("cargo run")) {
        assert!(!line.contains(" -p ") && !line.contains("--package"), "{line}");
    }
}

/// The name of the example in a file.
fn example(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".rs")
}
