//! The tests that documents name are there.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// All Rust files in a folder and below.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The names in the last cells of a document's tables whose last column is `Test`; of each row of these, one at least.
fn named_tests(document: &str) -> Vec<Vec<&str>> {
    let mut rows = Vec::new();
    let mut is_of_tests = false;
    for line in document.lines() {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let Some(last) = cells.last().filter(|_| line.starts_with('|')) else {
            is_of_tests = false;
            continue;
        };
        if *last == "Test" {
            is_of_tests = true;
        } else if is_of_tests && !last.starts_with("--") {
            rows.push(last.split('`').skip(1).step_by(2).collect());
        }
    }
    rows
}

#[test]
fn each_row_of_a_table_with_tests_names_tests_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = ["tests/e2e", "operator/tests", "operator/src"].map(|folder| root.join(folder));
    let code: String = folders
        .iter()
        .flat_map(|folder| sources(folder))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for (document, fewest) in [("faults.md", 30), ("comparison.md", 10)] {
        let text = fs::read_to_string(root.join("operator/docs").join(document)).unwrap();
        let rows = named_tests(&text);
        assert!(rows.len() >= fewest, "{document} has {} rows", rows.len());
        for row in rows {
            assert!(!row.is_empty(), "{document} has a row without a test");
            for name in row {
                let is_there = match name.ends_with(".rs") {
                    true => root.join(name).is_file(),
                    false => code.contains(&format!("fn {name}(")),
                };
                assert!(is_there, "{document}: there is no {name}");
            }
        }
    }
}
