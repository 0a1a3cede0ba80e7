//! Note: the spec of an object that was handled last, and who has left it there; pure.
//!
//! Kopf's operator and this one leave it in the same annotation and in the same form, so that each goes on where the other has
//! stopped. They mean different things: what a note of Kopf's says has been made, without an owner's line, and is
//! [handed over](crate::handover). This operator's may say what was rejected, and tells nothing of any table.
//!
//! So this operator leaves a mark beside its own notes, in the same write: with its first look at an object that has no note,
//! and at the latest when its own takes the place of Kopf's; a look at an unchanged object writes neither. A status tells the same, but it changes with each attempt, and it isn't in
//! most backups.

use crate::{
    spec::{ColumnSettings, Declaration, Table},
    status::TableStatus,
};
use std::collections::BTreeMap;

/// The annotation of an object whose note, if it has one, is this operator's. Neither this operator nor Kopf calls handlers for
/// it: its prefix is that of an operator.
pub const MARK: &str = "database-table-operator.kopf.zalando.org/handled";
/// Its value.
pub const MARKED: &str = "yes";

/// Whether an object with these annotations has the mark, whatever its value.
pub fn is_marked(annotations: &BTreeMap<String, String>) -> bool {
    annotations.contains_key(MARK)
}

/// The table that another operator has made for an object, by its `note`; `None` if the note isn't another operator's.
///
/// The `status` is `None` if it has this operator's fields in another shape.
pub fn former<'a>(
    note: Option<&'a Declaration>,
    is_marked: bool,
    status: Option<&TableStatus>,
) -> Option<&'a Table> {
    // Objects from before the mark have a status alone.
    if is_marked || status.is_none_or(TableStatus::tells_of_an_end) {
        return None;
    }
    made_by_kopf(note?)
}

/// The table that Kopf's operator has made by a note. It knows names, types and a key, and one database; whatever else the note
/// asks for, it has not made.
fn made_by_kopf(note: &Declaration) -> Option<&Table> {
    let table = note.table.as_ref().ok()?;
    let is_plain = table.columns.iter().all(|column| column.settings == ColumnSettings::default());
    (is_plain && table.schema.is_none() && note.secret == Ok(None)).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ConditionReason, Failure, Stamp};
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn declared(spec: Value) -> Declaration {
        serde_json::from_value(spec).unwrap()
    }

    fn demo() -> Value {
        json!({"tableName": "ORDERS", "columns": [{"ID": "integer"}, {"TOTAL": "numeric"}], "primaryKey": "ID"})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut spec = demo();
        spec[field] = value;
        spec
    }

    fn failed(reasons: &[ConditionReason]) -> TableStatus {
        let stamp = Stamp { generation: Some(1), now: Timestamp::UNIX_EPOCH };
        let fail = |status: TableStatus, reason: &ConditionReason| {
            let failure = Failure {
                reason: *reason,
                message: "no",
                needs_person: true,
                deleting: false,
                pending: &[],
                is_too_slow: false,
            };
            status.after_failure(stamp, &failure)
        };
        reasons.iter().fold(TableStatus::default(), fail)
    }

    #[test]
    fn a_note_is_another_operators_until_this_one_has_come_to_an_end_whatever_happens_after_that() {
        use ConditionReason::{Conflict, DatabaseUnavailable, InvalidSpec};
        let note = declared(demo());
        for (status, is_marked, is_anothers) in [
            (Some(TableStatus::default()), false, true),
            (Some(failed(&[DatabaseUnavailable])), false, true),
            (Some(failed(&[Conflict])), false, true),
            // An object from before the mark.
            (Some(failed(&[InvalidSpec])), false, false),
            (None, false, false),
            // The next failure doesn't tell of the end any more, and a backup has no status.
            (Some(failed(&[InvalidSpec, Conflict])), true, false),
            (Some(failed(&[InvalidSpec, DatabaseUnavailable])), true, false),
            (Some(TableStatus::default()), true, false),
            (None, true, false),
        ] {
            let former = former(Some(&note), is_marked, status.as_ref());
            assert_eq!(former.is_some(), is_anothers, "{is_marked} {status:?}");
        }
        assert_eq!(former(None, false, Some(&TableStatus::default())), None);
    }

    #[test]
    fn a_note_of_what_kopfs_operator_can_not_make_tells_of_no_table() {
        for (spec, is_made) in [
            (demo(), true),
            (with("deletionPolicy", json!("Retain")), true),
            (with("adoptionPolicy", json!("IfCompatible")), true),
            (with("columns", json!([{"ID": {"type": "integer"}}])), true),
            (with("columns", json!([{"ID": {"type": "integer", "default": "1 +"}}])), false),
            (with("columns", json!([{"ID": {"type": "integer", "nullable": false}}])), false),
            (with("schema", json!("app")), false),
            (with("connectionSecretRef", json!({"name": "pg"})), false),
            (with("connectionSecretRef", json!({"name": "pg", "namespace": "other"})), false),
            (with("connectionSecretRef", json!({})), false),
        ] {
            assert_eq!(made_by_kopf(&declared(spec.clone())).is_some(), is_made, "{spec}");
        }
    }

    #[test]
    fn a_mark_of_any_value_counts() {
        for (key, counts) in [(MARK, true), ("kopf.zalando.org/handled", false)] {
            assert_eq!(is_marked(&BTreeMap::from([(key.to_owned(), String::new())])), counts, "{key}");
        }
    }
}
