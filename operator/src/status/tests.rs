use super::*;
use crate::{identifier::Identifier, outcome::Outcome, warning::Warning};
use serde_json::json;

fn stamp(generation: i64, second: i64) -> Stamp {
    Stamp { generation: Some(generation), now: Timestamp::from_second(second).unwrap() }
}

fn applied(columns: usize) -> Applied {
    let column = |n| ColumnStatus { name: format!("c{n}"), type_: "integer".into() };
    Applied {
        outcome: Outcome::Created,
        table: "public.users".into(),
        columns: (0..columns).map(column).collect(),
        primary_key: vec!["c0".into()],
        indexes: Vec::new(),
        extra_columns: Vec::new(),
        warnings: Vec::new(),
        adoption: None,
        drift: None,
    }
}

fn failure(reason: ConditionReason, message: &str) -> Failure<'_> {
    let needs_person = reason != ConditionReason::DatabaseUnavailable;
    Failure { reason, message, needs_person, deleting: false, pending: &[], is_too_slow: false }
}

fn since(status: &TableStatus, type_: &str) -> i64 {
    status.find(type_).unwrap().last_transition_time.0.as_second()
}

fn summary(status: &TableStatus) -> Vec<(&str, &str, &str)> {
    status.conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str())).collect()
}

#[test]
fn a_success_is_ready_and_synced() {
    let status = TableStatus::default().after_success(stamp(1, 10), &applied(2), &[]);
    assert_eq!(
        serde_json::to_value(&status).unwrap(),
        json!({
            "observedGeneration": 1, "appliedGeneration": 1,
            "table": "public.users",
            "columns": [{"name": "c0", "type": "integer"}, {"name": "c1", "type": "integer"}],
            "columnCount": 2,
            "primaryKey": ["c0"], "indexes": [],
            "database": null, "owner": null, "tooSlowGeneration": null, "pending": null,
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Applied", "message": "table public.users is as the spec asks, with 2 columns",
                 "observedGeneration": 1, "lastTransitionTime": "1970-01-01T00:00:10Z"},
                {"type": "Synced", "status": "True", "reason": "Applied", "message": "table public.users is as the spec asks, with 2 columns",
                 "observedGeneration": 1, "lastTransitionTime": "1970-01-01T00:00:10Z"},
            ],
        })
    );
}

#[test]
fn the_generation_that_was_applied_is_known_whatever_has_come_between() {
    let fresh = TableStatus::default();
    assert_eq!(fresh.has_applied(Some(1)), None);
    let first = fresh.after_success(stamp(1, 10), &applied(2), &[]);
    for reason in [
        ConditionReason::SchemaMissing,
        ConditionReason::Conflict,
        ConditionReason::InProgress,
        ConditionReason::Drifted,
        ConditionReason::DatabaseUnavailable,
    ] {
        let failed = first.after_failure(stamp(1, 20), &failure(reason, "why"));
        assert_eq!(failed.has_applied(Some(1)), Some(true), "{reason}");
        assert_eq!(
            failed.after_failure(stamp(2, 30), &failure(reason, "why")).has_applied(Some(2)),
            Some(false)
        );
    }
    assert_eq!(first.has_applied(None), None);
}

#[test]
fn what_was_in_progress_is_not_any_more_while_the_database_is_away() {
    let first = TableStatus::default().after_success(stamp(1, 10), &applied(2), &[]);
    let working =
        first.after_failure(stamp(2, 20), &failure(ConditionReason::InProgress, "is being changed"));
    let away = working.after_failure(stamp(2, 30), &failure(ConditionReason::DatabaseUnavailable, "away"));
    assert_eq!(
        summary(&away),
        [("Ready", "Unknown", "DatabaseUnavailable"), ("Synced", "False", "DatabaseUnavailable")]
    );
}

#[test]
fn extra_columns_are_named_in_the_message() {
    let (extra_columns, indexes) = (vec!["audit".into(), "Two Words".into()], vec!["by_name".into()]);
    let applied = Applied { extra_columns, indexes, ..applied(1) };
    let status = TableStatus::default().after_success(stamp(1, 10), &applied, &[]);
    assert_eq!((status.columns.len(), &status.indexes), (1, &applied.indexes));
    assert_eq!(
        status.find("Ready").unwrap().message,
        "table public.users is as the spec asks, with 1 column and 1 index, and has other columns, which are left alone: \
         \"audit\", \"Two Words\""
    );
}

#[test]
fn the_message_has_ten_warnings_at_most_from_the_spec_and_the_table_together() {
    let warning = |n| Warning::Identity { column: Identifier::parse(&format!("c{n}")).unwrap() };
    let of_spec: Vec<_> = (0..500).map(|n| format!("unknown field spec.x{n}")).collect();
    for (of_table, count, more) in
        [(3, 7, None), (3, 8, Some(1)), (0, 500, Some(490)), (12, 0, Some(2)), (12, 5, Some(7))]
    {
        let applied = Applied { warnings: (0..of_table).map(warning).collect(), ..applied(1) };
        let status = TableStatus::default().after_success(stamp(1, 10), &applied, &of_spec[..count]);
        let message = &status.find("Ready").unwrap().message;
        let end = more.map(|more| format!(". WARNING: {more} more, which the operator's log has"));
        assert!(message.ends_with(&end.clone().unwrap_or_default()), "{message}");
        assert_eq!(message.matches("WARNING").count(), 10 + usize::from(end.is_some()), "{message}");
    }
}

#[test]
fn a_second_success_keeps_the_time_of_the_first() {
    let first = TableStatus::default().after_success(stamp(1, 10), &applied(1), &[]);
    let second = first.after_success(stamp(2, 20), &applied(2), &[]);
    assert_eq!((since(&second, "Ready"), since(&second, "Synced")), (10, 10));
    assert_eq!((second.observed_generation, second.columns.len()), (Some(2), 2));
}

#[test]
fn a_failure_keeps_table_and_columns() {
    let first = TableStatus::default().after_success(stamp(1, 10), &applied(2), &[]);
    let failed = first.after_failure(stamp(2, 20), &failure(ConditionReason::UpdateAborted, "no"));
    let reason = "UpdateAborted";
    let expected = [("Ready", "False", reason), ("Synced", "False", reason), ("Stalled", "True", reason)];
    assert_eq!(summary(&failed), expected);
    assert_eq!((&failed.table, &failed.columns), (&first.table, &first.columns));
    assert_eq!((failed.observed_generation, since(&failed, "Ready")), (Some(2), 20));
    let again = failed.after_failure(stamp(3, 30), &failure(ConditionReason::InvalidSpec, "no, too"));
    assert_eq!((since(&again, "Ready"), since(&again, "Synced")), (20, 20));
    let back = again.after_success(stamp(4, 40), &applied(2), &[]);
    assert_eq!(summary(&back), [("Ready", "True", "Applied"), ("Synced", "True", "Applied")]);
    assert_eq!(since(&back, "Ready"), 40);
}

#[test]
fn ready_is_unknown_beside_a_change_that_an_outage_delays() {
    let reason = ConditionReason::DatabaseUnavailable;
    let down = failure(reason, "down");
    let unknown = [("Ready", "Unknown", "DatabaseUnavailable"), ("Synced", "False", "DatabaseUnavailable")];
    let never = TableStatus::default().after_failure(stamp(1, 10), &down);
    assert_eq!(summary(&never), unknown);
    let first = never.after_success(stamp(1, 20), &applied(1), &[]);
    let outage = first.after_failure(stamp(2, 30), &down);
    assert_eq!((summary(&outage), since(&outage, "Ready")), (unknown.into(), 30));
    // A deletion changes nothing of the table before it is made.
    let deletion = first.after_failure(stamp(2, 30), &Failure { deleting: true, ..down });
    assert_eq!(deletion.find("Ready"), first.find("Ready"));
    assert_eq!(summary(&deletion)[1], unknown[1]);
}

#[test]
fn other_fields_of_the_status_are_no_obstacle() {
    let known = TableStatus::default().after_success(stamp(1, 10), &applied(1), &[]);
    let mut value = serde_json::to_value(&known).unwrap();
    value["kopf"] = json!({"progress": {}});
    assert_eq!(serde_json::from_value::<TableStatus>(value).unwrap(), known);
}

#[test]
fn a_status_tells_whether_this_operator_has_come_to_an_end_with_the_object() {
    let new = TableStatus::default();
    assert!(!new.tells_of_an_end());
    assert!(new.after_success(stamp(1, 10), &applied(1), &[]).tells_of_an_end());
    for (reason, ends) in [
        (ConditionReason::InvalidSpec, true),
        (ConditionReason::UpdateAborted, true),
        (ConditionReason::Conflict, false),
        (ConditionReason::DatabaseUnavailable, false),
        (ConditionReason::PermissionDenied, false),
    ] {
        let status = new.after_failure(stamp(1, 10), &failure(reason, "no"));
        assert_eq!(status.tells_of_an_end(), ends, "{reason}");
    }
}

#[test]
fn what_is_held_back_stands_in_the_status_until_it_is_known_to_be_otherwise() {
    let held: Vec<_> = (0..MOST_PENDING + 2).map(|n| format!("ALTER {n}")).collect();
    let aborted = Failure { pending: &held[..2], ..failure(ConditionReason::UpdateAborted, "no") };
    let status = TableStatus::default().after_failure(stamp(1, 10), &aborted);
    assert_eq!(status.pending.as_deref(), Some(&held[..2]));
    assert_eq!(serde_json::to_value(&status).unwrap()["pending"], json!(["ALTER 0", "ALTER 1"]));
    let down = failure(ConditionReason::DatabaseUnavailable, "down");
    let after = status.after_failure(stamp(1, 20), &down);
    assert_eq!(after.pending, status.pending, "nothing is known of it");
    let invalid = failure(ConditionReason::InvalidSpec, "bad");
    assert!(after.after_failure(stamp(2, 30), &invalid).pending.is_none());
    let done = status.after_success(stamp(2, 30), &applied(1), &[]);
    assert_eq!(serde_json::to_value(&done).unwrap()["pending"], json!(null), "it is removed");
    let shown = |held: &[String]| {
        let failure = Failure { pending: held, ..failure(ConditionReason::UpdateAborted, "no") };
        status.after_failure(stamp(1, 40), &failure).pending.unwrap()
    };
    let many = shown(&held);
    assert_eq!((many.len(), &*many[MOST_PENDING]), (MOST_PENDING + 1, "-- and 2 more"));
    // The first one has to be run before anybody asks for the next.
    let long = vec!["x".repeat(MOST_BYTES / 2 + 1); 4];
    assert_eq!(shown(&long), [long[0].clone(), "-- and 3 more".to_owned()]);
    assert_eq!(shown(&["x".repeat(MOST_BYTES + 1)]).len(), 1);
}

#[test]
fn what_took_too_long_is_known_for_its_generation() {
    let held = ["ALTER 1".to_owned()];
    let slow =
        Failure { pending: &held, is_too_slow: true, ..failure(ConditionReason::UpdateAborted, "slow") };
    let status = TableStatus::default().after_failure(stamp(1, 10), &slow);
    assert_eq!(status.too_slow(Some(1)).as_deref(), Some(&held[..]));
    assert!(status.was_aborted(Some(1)) && !status.was_aborted(Some(2)));
    assert_eq!((status.too_slow(Some(2)), status.too_slow(None)), (None, None));
    let down = status.after_failure(stamp(1, 20), &failure(ConditionReason::DatabaseUnavailable, "down"));
    assert_eq!(down.too_slow(Some(1)).as_deref(), Some(&held[..]), "it is still");
    assert!(!down.was_aborted(Some(1)));
    let other = Failure { pending: &held, ..failure(ConditionReason::UpdateAborted, "rows") };
    assert_eq!(status.after_failure(stamp(2, 20), &other).too_slow(Some(2)), None, "of another generation");
    assert_eq!(
        status.after_failure(stamp(1, 20), &other).too_slow(Some(1)),
        None,
        "it has come further since"
    );
    let done = status.after_success(stamp(1, 30), &applied(1), &[]);
    assert_eq!((done.too_slow_generation, done.was_aborted(Some(1))), (None, false));
    // Where generations don't tell, it is tried again.
    let unknown = Stamp { generation: None, ..stamp(1, 40) };
    assert_eq!(TableStatus::default().after_failure(unknown, &slow).too_slow(None), None);
}

#[test]
fn each_condition_says_which_generation_it_is_about() {
    let of = |status: &TableStatus| {
        let generations = status.conditions.iter().map(|c| (c.type_.clone(), c.observed_generation.unwrap()));
        (status.observed_generation.unwrap(), generations.collect::<Vec<_>>())
    };
    let all = |types: &[&str], generation| types.iter().map(|t| ((*t).to_owned(), generation)).collect();
    let first = TableStatus::default().after_success(stamp(1, 10), &applied(1), &[]);
    assert_eq!(of(&first), (1, all(&["Ready", "Synced"], 1)));
    for reason in [
        ConditionReason::UpdateAborted,
        ConditionReason::DatabaseUnavailable,
        ConditionReason::PermissionDenied,
        ConditionReason::SecretInvalid,
    ] {
        let failure = Failure { needs_person: true, ..failure(reason, "no") };
        let failed = first.after_failure(stamp(2, 20), &failure);
        assert_eq!(of(&failed), (2, all(&["Ready", "Synced", "Stalled"], 2)), "{reason}");
        // The change is taken back.
        let back = failed.after_success(stamp(3, 30), &applied(1), &[]);
        assert_eq!(of(&back), (3, all(&["Ready", "Synced"], 3)), "{reason}");
    }
    // What is known of the table is about the generation that was applied; a deletion changes nothing of that.
    let down = Failure { deleting: true, ..failure(ConditionReason::DatabaseUnavailable, "down") };
    let (observed, conditions) = of(&first.after_failure(stamp(2, 20), &down));
    assert_eq!((observed, conditions), (2, vec![("Ready".to_owned(), 1), ("Synced".to_owned(), 2)]));
}

#[test]
fn a_status_tells_of_drift_by_its_message_or_by_work_on_a_table_that_was_as_asked() {
    use ConditionReason::{Drifted, InProgress, UpdateAborted};
    let stamp = |generation| Stamp { generation: Some(generation), now: Timestamp::UNIX_EPOCH };
    let applied = TableStatus { applied_generation: Some(1), ..TableStatus::default() };
    for (reason, message, generation, tells) in [
        (InProgress, "an index is being built", 1, true),
        (InProgress, "an index is being built", 2, false),
        (Drifted, "table t isn't as asked: no column a. Change it back", 1, true),
        (Drifted, "table t isn't as asked: no column b. Change it back", 1, false),
        (UpdateAborted, "no column a", 1, false),
    ] {
        let failure = Failure {
            reason,
            message,
            needs_person: true,
            deleting: false,
            pending: &[],
            is_too_slow: false,
        };
        let status = applied.after_failure(stamp(generation), &failure);
        assert_eq!(status.tells_of_drift("no column a", Some(generation)), tells, "{reason} {message}");
    }
    assert!(!applied.tells_of_drift("", Some(1)));
}
