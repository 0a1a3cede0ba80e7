//! Marks a table with its owner: a line in the table's COMMENT.
//!
//! The line is written in the transaction that creates the table, so that no crash comes between them. By
//! this line, a later run recognizes the table. It also names the columns that came from a spec, and what the spec has set of
//! them, so that what is removed from there is known although the object has lost its status. Other text in the comment stays
//! as it is.

mod standing;

use crate::hash::fnv1a;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use standing::Others;
pub use standing::Standing;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The beginning of the line.
pub const PREFIX: &str = "database-table-operator: ";

/// The object that a table belongs to.
// The order of the fields is the order in the line, and `needle` relies on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The name that tells this cluster from others that use the same database.
    pub cluster: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
}

/// What of a table came from a spec. The rest is somebody else's, and is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FromSpec {
    /// The columns, exact.
    pub columns: BTreeSet<String>,
    /// What the spec has set of a column, for those of which it has.
    pub settings: BTreeMap<String, BTreeSet<Setting>>,
    /// The indexes, exact. One is named before it is made, because its build is no part of a transaction: no crash comes between.
    pub indexes: BTreeSet<String>,
    /// The number of the work that may be done behind a transaction, if there is to be some: work of another number ends, because a
    /// later plan counts.
    pub work: Option<String>,
}

/// Something that a spec can set of a column, and that is taken back when the spec no longer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Setting {
    /// `NOT NULL`.
    NotNull,
    /// A default.
    Default,
    /// `UNIQUE`.
    Unique,
    /// A comment.
    Comment,
    /// An identity sequence.
    Identity,
}

impl FromSpec {
    /// Columns of which nothing is set.
    pub fn of_columns(columns: BTreeSet<String>) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Whether a spec has set this of a column.
    pub fn has_set(&self, column: &str, setting: Setting) -> bool {
        self.settings.get(column).is_some_and(|settings| settings.contains(&setting))
    }
}

impl Owner {
    /// Whether both own the same table. The uid doesn't count: an object restored from a backup has another
    /// uid and keeps its table. Which of several has it, their [`Standing`] says.
    pub fn matches(&self, other: &Self) -> bool {
        (&self.cluster, &self.namespace, &self.name) == (&other.cluster, &other.namespace, &other.name)
    }

    /// A number for this very object in this cluster.
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", fnv1a(&json(self)))
    }

    /// The comment with a line for this owner and what came from its spec, in place of any other owner's.
    pub fn mark_comment(&self, comment: Option<&str>, from_spec: &FromSpec) -> String {
        let before = comment.unwrap_or_default().lines().find_map(parse_line);
        let line = Line {
            owner: self.clone(),
            others: before.map(|line| line.others_of(self)).unwrap_or_default(),
            columns: Some(from_spec.columns.iter().cloned().collect()),
            settings: serde_json::to_value(&from_spec.settings)
                .ok()
                .filter(|_| !from_spec.settings.is_empty()),
            indexes: (!from_spec.indexes.is_empty()).then(|| from_spec.indexes.iter().cloned().collect()),
            work: from_spec.work.clone().map(Value::String),
        };
        line.put_into(comment.unwrap_or_default())
    }

    /// The owner that a comment names.
    pub fn from_comment(comment: &str) -> Option<Self> {
        comment.lines().find_map(parse_line).map(|line| line.owner)
    }

    /// A text that this owner's line contains whatever the uid. Other lines may contain it too.
    pub fn needle(&self) -> String {
        let without_uid = json(&Self { uid: String::new(), ..self.clone() });
        format!("{PREFIX}{}", without_uid.trim_end_matches("\"\"}"))
    }
}

/// What came from a spec, if a comment tells. One that was written by hand, or by an earlier operator, may not.
pub fn from_spec_in(comment: &str) -> Option<FromSpec> {
    let line = comment.lines().find_map(parse_line)?;
    let columns = line.columns?;
    let columns = names_in(&columns)?;
    let settings = line.settings.as_ref().map(settings_in).unwrap_or_default();
    let indexes = line.indexes.as_ref().and_then(names_in).unwrap_or_default();
    let work = line.work.as_ref().and_then(Value::as_str).map(ToOwned::to_owned);
    Some(FromSpec { columns, settings, indexes, work })
}

fn names_in(value: &Value) -> Option<BTreeSet<String>> {
    value.as_array()?.iter().map(|name| name.as_str().map(ToOwned::to_owned)).collect()
}

/// What is understood of it: a later operator may know more.
fn settings_in(value: &Value) -> BTreeMap<String, BTreeSet<Setting>> {
    let setting = |value: &Value| Setting::deserialize(value).ok();
    let of_column = |value: &Value| value.as_array().into_iter().flatten().filter_map(setting).collect();
    let columns = value.as_object().into_iter().flatten();
    columns.map(|(name, settings)| (name.clone(), of_column(settings))).collect()
}

/// What follows the beginning of the line.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    owner: Owner,
    #[serde(flatten)]
    others: Others,
    /// A list of names. Whatever else somebody has put here, the line names the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Value>,
    /// Lists of settings, by columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Value>,
    /// A list of names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    indexes: Option<Value>,
    /// A text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work: Option<Value>,
}

impl Line {
    /// The comment with this line in place of any other one, and else behind what is there. No other character changes.
    fn put_into(&self, comment: &str) -> String {
        let mut line = Some(format!("{PREFIX}{}", json(self)));
        let mut text = String::with_capacity(comment.len());
        for part in comment.split_inclusive('\n') {
            match parse_line(part) {
                None => text.push_str(part),
                Some(_) => {
                    if let Some(line) = line.take() {
                        text.push_str(&line);
                        text.push_str(&part[part.trim_end_matches(['\r', '\n']).len()..]);
                    }
                }
            }
        }
        if let Some(line) = line {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&line);
        }
        text
    }
}

fn json(value: &impl Serialize) -> String {
    // Strings can always be serialized. Otherwise, an empty line would match no owner and do no harm.
    serde_json::to_string(value).unwrap_or_default()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn parse_line(line: &str) -> Option<Line> {
    serde_json::from_str(line.trim().strip_prefix(PREFIX)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owner(name: &str) -> Owner {
        Owner { cluster: "c1".into(), namespace: "shop".into(), name: name.into(), uid: "u1".into() }
    }

    #[test]
    fn other_text_in_the_comment_is_kept() {
        let comment = owner("a").mark_comment(Some("Who signed up.\nAsk Eva."), &FromSpec::default());
        assert!(comment.starts_with("Who signed up.\nAsk Eva.\ndatabase-table-operator: {"), "{comment}");
        assert_eq!(Owner::from_comment(&comment), Some(owner("a")));
        let again = owner("b").mark_comment(Some(&comment), &FromSpec::default());
        assert_eq!(Owner::from_comment(&again), Some(owner("b")));
        assert_eq!(again.lines().count(), 3);
    }

    #[test]
    fn no_character_of_other_text_changes() {
        let (first, second) = (owner("a"), owner("b"));
        for text in ["Hi.\r\nAsk Eva.\r\n", "Hi.\n", "Hi.\n\n", "\n", " Hi. ", "a\rb", "Hi."] {
            let marked = first.mark_comment(Some(text), &FromSpec::default());
            assert!(marked.starts_with(text), "{marked:?}");
            for more in ["", "\r\nBye.\r\n", "\nBye.\n"] {
                let again = second.mark_comment(Some(&format!("{marked}{more}")), &FromSpec::default());
                assert!(again.starts_with(text) && again.ends_with(more), "{again:?}");
                assert_eq!(Owner::from_comment(&again), Some(second.clone()), "{again:?}");
                assert_eq!(second.mark_comment(Some(&again), &FromSpec::default()), again);
                assert_eq!(again.matches(PREFIX).count(), 1, "{again:?}");
            }
        }
    }

    #[test]
    fn a_comment_without_the_line_names_no_owner() {
        for comment in [
            "",
            "Who signed up.",
            "database-table-operator:",
            "database-table-operator: {}",
            "see database-table-operator: {\"a\":1}",
        ] {
            assert_eq!(Owner::from_comment(comment), None, "{comment}");
        }
    }

    #[test]
    fn an_owner_is_known_by_cluster_namespace_and_name() {
        let known = owner("a");
        assert!(known.matches(&Owner { uid: "u2".into(), ..owner("a") }));
        assert!(!known.matches(&owner("b")));
        assert!(!known.matches(&Owner { cluster: "c2".into(), ..owner("a") }));
        assert!(!known.matches(&Owner { namespace: "bank".into(), ..owner("a") }));
    }

    #[test]
    fn a_line_of_before_or_of_somebody_else_tells_no_columns_and_names_the_owner() {
        let line = |more: &str| {
            format!(
                "Hi.\n{PREFIX}{{\"cluster\":\"c1\",\"namespace\":\"shop\",\"name\":\"a\",\"uid\":\"u1\"{more}}}"
            )
        };
        for (more, columns) in [
            ("", None),
            (",\"columns\":null", None),
            (",\"columns\":\"a\"", None),
            (",\"columns\":[1]", None),
            (",\"since\":\"2027\"", None),
            (
                ",\"columns\":[\"a\",\"Two Words\"]",
                Some(BTreeSet::from(["a".to_owned(), "Two Words".to_owned()])),
            ),
        ] {
            assert_eq!(Owner::from_comment(&line(more)), Some(owner("a")), "{more}");
            assert_eq!(from_spec_in(&line(more)), columns.map(FromSpec::of_columns), "{more}");
        }
        let settings = ",\"columns\":[\"a\"],\"settings\":{\"a\":[\"notNull\",\"later\",7],\"b\":null}";
        let found = from_spec_in(&line(settings)).unwrap();
        assert!(found.has_set("a", Setting::NotNull) && !found.has_set("b", Setting::NotNull));
        for (indexes, names) in [("[\"i\",\"I\"]", &["I", "i"][..]), ("[1]", &[]), ("7", &[])] {
            let found = from_spec_in(&line(&format!(",\"columns\":[\"a\"],\"indexes\":{indexes}"))).unwrap();
            assert!(found.indexes.iter().eq(names), "{indexes}");
        }
    }

    #[test]
    fn a_table_of_which_nothing_is_set_has_the_line_of_before() {
        let columns = || BTreeSet::from(["a".to_owned()]);
        let plain = owner("a").mark_comment(None, &FromSpec::of_columns(columns()));
        assert!(plain.ends_with("\"uid\":\"u1\",\"columns\":[\"a\"]}"), "{plain}");
        let settings =
            BTreeMap::from([("a".to_owned(), BTreeSet::from([Setting::NotNull, Setting::Default]))]);
        let more =
            owner("a").mark_comment(None, &FromSpec { columns: columns(), settings, ..FromSpec::default() });
        assert!(more.ends_with("\"settings\":{\"a\":[\"notNull\",\"default\"]}}"), "{more}");
    }

    #[test]
    fn the_needle_finds_any_uid_but_not_longer_names() {
        assert!(
            Owner { uid: "u2".into(), ..owner("a") }
                .mark_comment(None, &FromSpec::default())
                .contains(&owner("a").needle())
        );
        assert!(!owner("ab").mark_comment(None, &FromSpec::default()).contains(&owner("a").needle()));
    }

    proptest! {
        #[test]
        fn a_marked_comment_names_its_owner(parts in proptest::array::uniform4(".*"), text in proptest::option::of("(?s).*"), columns in proptest::collection::btree_set(".*", 0..4), indexes in proptest::collection::btree_set(".*", 0..4), work in proptest::option::of(".*")) {
            let [cluster, namespace, name, uid] = parts;
            let owner = Owner { cluster, namespace, name, uid };
            prop_assume!(text.as_deref().and_then(Owner::from_comment).is_none());
            let from_spec = FromSpec { indexes, work, ..FromSpec::of_columns(columns) };
            let marked = owner.mark_comment(text.as_deref(), &from_spec);
            prop_assert!(marked.contains(&owner.needle()));
            prop_assert_eq!(Owner::from_comment(&marked), Some(owner));
            prop_assert_eq!(from_spec_in(&marked), Some(from_spec));
        }
    }
}
