//! The architecture, held: which module may use which (ARCHITECTURE.md, "Where a line belongs").

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use syn::{ItemUse, UseTree, visit::Visit};

/// A module, and those of the crate that it may use besides itself. Names that stand at the crate's root
/// count as the module that they come from.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("core", &["error"]),
    ("error", &[]),
    ("handler", &["core", "error"]),
    ("extract", &["handler", "core", "error"]),
    ("reply", &["handler", "error"]),
    ("builder", &["reply", "handler", "core", "error"]),
    ("registry", &["handler", "core"]),
    ("logging", &["handler", "core", "error"]),
    ("runtime", &["logging", "handler", "core", "error"]),
    ("operator", &["runtime", "registry", "handler", "core", "error"]),
    ("testing", &["operator", "runtime", "registry", "logging", "handler", "core", "error"]),
];

/// Crates that the core knows nothing of: no I/O, no runtime, no client.
const FOREIGN_TO_THE_CORE: [&str; 6] = ["tokio", "tokio_util", "kube", "k8s_openapi", "tracing", "futures"];

#[derive(Default)]
struct Uses {
    of_crate: BTreeSet<String>,
    of_others: BTreeSet<String>,
}

impl Uses {
    fn of_path(&mut self, path: &[String]) {
        match path {
            [first, second, ..] if first == "crate" => self.of_crate.insert(second.clone()),
            [first, ..] => self.of_others.insert(first.clone()),
            [] => false,
        };
    }

    fn of_tree(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.of_tree(&inner.tree, path);
            }
            UseTree::Group(group) => group.items.iter().for_each(|inner| self.of_tree(inner, path.clone())),
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.of_path(&path);
            }
            UseTree::Rename(name) => {
                path.push(name.ident.to_string());
                self.of_path(&path);
            }
            _ => self.of_path(&path),
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.of_tree(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.of_path(&names);
        }
        syn::visit::visit_path(self, path);
    }
}

fn parsed(path: &Path) -> syn::File {
    let text = fs::read_to_string(path).expect("a source file of this crate can be read");
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The module that each name at the crate's root comes from.
fn roots(source: &Path) -> BTreeMap<String, String> {
    struct Exports(BTreeMap<String, String>);
    impl Exports {
        fn add(&mut self, tree: &UseTree, module: &str) {
            match tree {
                UseTree::Path(inner) => self.add(&inner.tree, module),
                UseTree::Group(group) => group.items.iter().for_each(|inner| self.add(inner, module)),
                UseTree::Name(name) => {
                    self.0.insert(name.ident.to_string(), module.to_owned());
                }
                _ => {}
            }
        }
    }
    let mut exports = Exports(BTreeMap::new());
    for item in parsed(&source.join("lib.rs")).items {
        if let syn::Item::Use(ItemUse { tree: UseTree::Path(module), .. }) = item {
            exports.add(&module.tree, &module.ident.to_string());
        }
    }
    exports.0
}

/// The files of a module; those of its tests may use what they like.
fn files(source: &Path, module: &str) -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let of_tests = path.file_stem().is_some_and(|name| name == "tests");
            match path.is_dir() {
                _ if of_tests => {}
                true => below(&path, found),
                false => found.push(path),
            }
        }
    }
    let mut found = Vec::from_iter(Some(source.join(format!("{module}.rs"))).filter(|path| path.exists()));
    below(&source.join(module), &mut found);
    found
}

fn uses(path: &Path) -> Uses {
    let mut file = parsed(path);
    file.items.retain(|item| !matches!(item, syn::Item::Mod(inline) if inline.ident == "tests"));
    let mut uses = Uses::default();
    uses.visit_file(&file);
    uses
}

#[test]
fn each_module_uses_only_those_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let roots = roots(&source);
    let mut wrong = Vec::new();
    for (module, allowed) in ALLOWED {
        let files = files(&source, module);
        assert!(!files.is_empty(), "there is no module {module}");
        for path in files {
            for name in uses(&path).of_crate {
                let used = roots.get(&name).unwrap_or(&name);
                if used != module && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{} uses {used} ({name})", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_knows_nothing_of_the_world_outside() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in files(&source, "core") {
        let used = uses(&path).of_others;
        let foreign: Vec<_> =
            used.iter().filter(|name| FOREIGN_TO_THE_CORE.contains(&name.as_str())).collect();
        assert!(foreign.is_empty(), "{} uses {foreign:?}", path.display());
    }
}
