use super::*;
use crate::{
    marker::Owner,
    outcome::{Adoption, ColumnStatus},
    status::{Failure, Stamp},
};
use jiff::Timestamp;

/// What happens to an object.
enum Step {
    /// An attempt succeeds: what it has done.
    Done(Outcome),
    /// The same, and the table was nobody's before.
    Adopted(Outcome),
    /// An attempt fails, and what it says; a person is needed, where there is a `!`.
    Failed(ConditionReason, &'static str),
    /// The same of a deletion.
    Held(ConditionReason, &'static str),
    /// The object is changed, or deleted.
    Edited,
}
use ConditionReason::{
    ClusterUnavailable, Conflict, DatabaseUnavailable, DependentsExist, Drifted, InProgress, InvalidSpec,
    SecretInvalid, SecretMissing, UpdateAborted,
};
use Outcome::{Created, Unchanged};
use Step::{Adopted, Done, Edited, Failed, Held};

fn applied(outcome: Outcome, adoption: Option<Adoption>) -> Applied {
    Applied {
        outcome,
        table: "public.t".into(),
        columns: vec![ColumnStatus { name: "a".into(), type_: "integer".into() }],
        primary_key: Vec::new(),
        indexes: vec!["i".into()],
        extra_columns: Vec::new(),
        warnings: Vec::new(),
        adoption,
        drift: None,
    }
}

/// The life of an object under a CRD with the status subresource, or without: all events, each with the number of its step.
fn events(steps: &[Step], generations: bool) -> Vec<(usize, TableEvent)> {
    let (mut status, mut generation, mut told) = (TableStatus::default(), 1, Vec::new());
    for (number, step) in steps.iter().enumerate() {
        let stamp = Stamp { generation: generations.then_some(generation), now: Timestamp::UNIX_EPOCH };
        let mut fail = |reason: ConditionReason, text: &str, deleting| {
            let failure = Failure {
                reason,
                message: text,
                needs_person: text.ends_with('!'),
                deleting,
                pending: &[],
                is_too_slow: false,
            };
            let after = status.after_failure(stamp, &failure);
            let event = of_failure(&status, &after, deleting);
            status = after;
            event.into_iter().collect()
        };
        let new: Vec<_> = match step {
            Edited => {
                generation += 1;
                continue;
            }
            Failed(reason, text) => fail(*reason, text, false),
            Held(reason, text) => fail(*reason, text, true),
            Done(outcome) | Adopted(outcome) => {
                let adoption = matches!(step, Adopted(_)).then_some(Adoption::ByPolicy);
                let applied = applied(outcome.clone(), adoption);
                let events = of_success(&status, &applied);
                status = status.after_success(stamp, &applied, &[]);
                events
            }
        };
        told.extend(new.into_iter().map(|event| (number, event)));
    }
    told
}

/// The events' reasons, with a `!` before those of warnings.
fn reasons(steps: &[Step], generations: bool) -> Vec<(usize, String)> {
    let sign = |event: &TableEvent| if event.severity == Severity::Warning { "!" } else { "" };
    let told = events(steps, generations).into_iter();
    told.map(|(number, event)| (number, format!("{}{}", sign(&event), event.reason))).collect()
}

fn added() -> Outcome {
    Outcome::ColumnsAdded(vec!["b".into(), "c".into()])
}

fn changed() -> Outcome {
    Outcome::Changed(vec!["index \"i\"".into(), "column \"d\"".into()])
}

/// Checks what is told of a life, whatever the CRD is.
fn check(steps: &[Step], expected: &[(usize, &str)]) {
    for generations in [true, false] {
        let told = reasons(steps, generations);
        let told: Vec<_> = told.iter().map(|(number, reason)| (*number, reason.as_str())).collect();
        assert_eq!(told, expected, "generations: {generations}");
    }
}

#[test]
fn what_is_done_is_told_each_time_and_what_is_found_as_it_should_be_never() {
    check(
        &[
            Done(Created),
            Done(Unchanged),
            Edited,
            Done(added()),
            Done(changed()),
            Done(Unchanged),
            Done(added()),
        ],
        &[(0, "Created"), (3, "ColumnsAdded"), (4, "Changed"), (6, "ColumnsAdded")],
    );
    check(&[Done(Unchanged), Done(Unchanged)], &[]);
    check(&[Adopted(Unchanged), Done(Unchanged)], &[(0, "Adopted")]);
    check(&[Adopted(added())], &[(0, "Adopted"), (0, "ColumnsAdded")]);
}

#[test]
fn a_failure_is_told_once_and_so_is_its_end() {
    let aborted = || Failed(UpdateAborted, "no!");
    check(
        &[Done(Created), Edited, aborted(), aborted(), Edited, Done(Unchanged), Done(Unchanged)],
        &[(0, "Created"), (2, "!UpdateAborted"), (5, "Applied")],
    );
    // What was done tells the end, too.
    check(&[aborted(), Edited, Done(added())], &[(0, "!UpdateAborted"), (2, "ColumnsAdded")]);
    check(
        &[Failed(Conflict, "its"), Failed(Conflict, "its"), Adopted(Unchanged)],
        &[(0, "!OwnershipConflict"), (2, "Adopted")],
    );
    check(
        &[Done(Created), Failed(Drifted, "no column!"), Failed(Drifted, "no column!"), Done(Unchanged)],
        &[(0, "Created"), (1, "!DriftDetected"), (3, "Applied")],
    );
    // Another one is news.
    check(
        &[
            Failed(SecretMissing, "no"),
            Failed(SecretInvalid, "no!"),
            Failed(SecretInvalid, "no!"),
            Done(Created),
        ],
        &[(0, "!SecretMissing"), (1, "!SecretInvalid"), (3, "Created")],
    );
}

#[test]
fn an_edit_that_fails_in_other_words_is_told_and_one_that_fails_in_the_same_is_not() {
    let steps = [
        Failed(UpdateAborted, "no a!"),
        Edited,
        Failed(UpdateAborted, "no b!"),
        Failed(UpdateAborted, "no c!"),
        Edited,
        Failed(UpdateAborted, "no c!"),
    ];
    let aborted = |number| (number, "!UpdateAborted".to_owned());
    assert_eq!(reasons(&steps, true), [aborted(0), aborted(2)]);
    // Without generations, nobody knows which one is a new edit.
    assert_eq!(reasons(&steps, false), [aborted(0)]);
}

#[test]
fn an_outage_is_told_where_a_change_waits_for_it() {
    let down = || Failed(DatabaseUnavailable, "down");
    check(
        &[down(), down(), Failed(DatabaseUnavailable, "down in other words"), Done(Created)],
        &[(0, "!DatabaseUnavailable"), (3, "Created")],
    );
    check(
        &[Done(Created), Edited, down(), down(), Done(added())],
        &[(0, "Created"), (2, "!DatabaseUnavailable"), (4, "ColumnsAdded")],
    );
    check(
        &[Done(Created), Edited, down(), Edited, Done(Unchanged)],
        &[(0, "Created"), (2, "!DatabaseUnavailable"), (4, "Applied")],
    );
    // It doesn't end by itself.
    check(
        &[Done(Created), Failed(DatabaseUnavailable, "no such database!"), Done(Unchanged)],
        &[(0, "Created"), (1, "!DatabaseUnavailable"), (2, "Applied")],
    );
}

#[test]
fn an_outage_is_not_told_where_only_a_look_has_failed() {
    for reason in [DatabaseUnavailable, ClusterUnavailable] {
        let look = || Failed(reason, "down");
        // Without generations, it isn't known that the spec is the one that was applied.
        let told = reasons(&[Done(Created), look(), look(), Done(Unchanged), look()], true);
        assert_eq!(told, [(0, "Created".to_owned())], "{reason}");
        // What was wrong before is neither over nor new.
        let aborted = || Failed(UpdateAborted, "no!");
        let told = reasons(&[aborted(), look(), aborted(), look(), Done(Unchanged)], true);
        assert_eq!(told, [(0, "!UpdateAborted".to_owned()), (4, "Applied".to_owned())], "{reason}");
    }
}

#[test]
fn a_failure_whose_status_is_never_written_is_told_once_for_each_generation() {
    let (mut last, mut told) = (LastTold::default(), Vec::new());
    let aborted = || TableEvent::warning("UpdateAborted", String::new());
    let down = || TableEvent::warning("DatabaseUnavailable", String::new());
    for (number, (event, generation)) in
        [(aborted(), 1), (aborted(), 1), (aborted(), 2), (aborted(), 2), (down(), 2), (aborted(), 2)]
            .into_iter()
            .enumerate()
    {
        told.extend(last.take_in(event, Some(generation)).map(|_| number));
    }
    last.end();
    assert!(last.take_in(aborted(), Some(2)).is_some());
    assert_eq!(told, [0, 2, 4, 5]);
}

#[test]
fn what_holds_a_deletion_is_told_once() {
    let down = || Held(DatabaseUnavailable, "down");
    check(
        &[
            Done(Created),
            Edited,
            down(),
            down(),
            Held(DependentsExist, "a view!"),
            Held(DependentsExist, "a view!"),
        ],
        &[(0, "Created"), (2, "!DatabaseUnavailable"), (4, "!DependentsExist")],
    );
    // The outage has begun before, where nobody waited for its end.
    let steps = [Done(Created), Failed(DatabaseUnavailable, "down"), Edited, down(), down()];
    let told = [(0, "Created".to_owned()), (3, "!DatabaseUnavailable".to_owned())];
    assert_eq!(reasons(&steps, true), told);
}

#[test]
fn work_that_takes_long_is_no_warning() {
    let building = || Failed(InProgress, "index \"i\" is being built");
    check(
        &[Done(Created), Edited, building(), building(), Done(Unchanged)],
        &[(0, "Created"), (2, "InProgress"), (4, "Applied")],
    );
}

#[test]
fn each_event_says_what_has_happened_to_what() {
    let steps = [
        Done(Created),
        Done(added()),
        Done(changed()),
        Failed(Conflict, "table u is b's"),
        Adopted(Unchanged),
    ];
    let told: Vec<_> = events(&steps, true).into_iter().map(|(_, event)| event.message).collect();
    assert_eq!(
        told,
        [
            "Table public.t was created, with 1 column and 1 index",
            "Added to table public.t: b, c",
            "Changed of table public.t: index \"i\"; column \"d\"",
            "table u is b's",
            "Table public.t belongs to this object now: it is as the spec asks, and adoptionPolicy is IfCompatible",
        ]
    );
    let back = [Failed(InvalidSpec, "no!"), Done(Unchanged)];
    let told = events(&back, true).pop().unwrap().1;
    assert_eq!(told.message, "Table public.t is as the spec asks, with 1 column and 1 index");
    let table = || "public.t".to_owned();
    let owner = Owner { cluster: "c".into(), namespace: "shop".into(), name: "b".into(), uid: "u".into() };
    for (event, severity, reason, message) in [
        (of_drop(&Dropped::Table(table())), Severity::Normal, "Dropped", "Table public.t was dropped"),
        (
            of_drop(&Dropped::NoTable),
            Severity::Normal,
            "DropSkipped",
            "Nothing was dropped: the object has no table",
        ),
        (
            of_drop(&Dropped::Gone(table())),
            Severity::Normal,
            "DropSkipped",
            "Table public.t is gone: nothing was left to drop",
        ),
        (
            of_drop(&Dropped::NotAsked("Secret shop/pg doesn't exist".into())),
            Severity::Normal,
            "DropSkipped",
            "Nothing was dropped: no table of the object is known, and there is no way to its database: Secret shop/pg",
        ),
        (
            of_drop(&Dropped::LineLost { table: table(), is_first_hand: false }),
            Severity::Warning,
            "DropSkipped",
            "Table public.t stays in the database: the status names it, but neither its comment nor the status",
        ),
        (
            of_drop(&Dropped::LineLost { table: table(), is_first_hand: true }),
            Severity::Warning,
            "DropSkipped",
            "Table public.t stays in the database, with its rows: the status names it, but its comment has no line",
        ),
        (
            of_drop(&Dropped::Anothers { table: table(), owner: owner.clone(), foreign: false }),
            Severity::Normal,
            "DropSkipped",
            "Table public.t stays in the database: by its comment, it belongs to the DatabaseTable shop/b now",
        ),
        (
            of_drop(&Dropped::Anothers { table: table(), owner, foreign: true }),
            Severity::Normal,
            "DropSkipped",
            "Table public.t stays in the database: by its comment, it belongs to the DatabaseTable shop/b in another cluster now",
        ),
        (
            of_drop(&Dropped::Kept(table())),
            Severity::Warning,
            "DropSkipped",
            "Table public.t stays in the database: the object no longer exists",
        ),
        (
            of_drop(&Dropped::Left(table())),
            Severity::Warning,
            "DropSkipped",
            "Table public.t stays in the database: its comment names another object",
        ),
        (
            of_retention(Some("public.t")),
            Severity::Normal,
            "Retained",
            "Table public.t stays in the database: deletionPolicy is Retain",
        ),
        (
            of_retention(None),
            Severity::Normal,
            "DropSkipped",
            "Nothing was dropped: deletionPolicy is Retain",
        ),
    ] {
        assert_eq!((event.severity, event.reason.as_str()), (severity, reason));
        assert!(event.message.starts_with(message), "{}", event.message);
    }
}

#[test]
fn what_somebody_has_changed_is_told_once_until_it_is_put_right() {
    let mut last = LastTold::default();
    let mut told: Vec<_> =
        ["no a", "no a", "no b", "no b"].map(|words| last.take_in_drift(words.into())).into();
    // A failure in between is another matter.
    last.take_in(TableEvent::warning("PermissionDenied", String::new()), Some(1));
    told.push(last.take_in_drift("no b".into()));
    assert!(last.has_drift());
    last.end();
    told.push(last.take_in_drift("no b".into()));
    assert_eq!(told, [true, false, true, false, false, true]);
}
