use super::*;
use crate::Reason;
use jiff::Timestamp;

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    time("2026-11-22T14:53:30.883823Z")
}

pub fn earlier() -> Timestamp {
    time("2026-01-02T03:04:05Z")
}

pub fn record() -> Record {
    Record::new(now(), Reason::Create)
}

#[test]
fn a_handler_is_due_until_it_is_finished() {
    let due = |record: Record| (record.is_finished(), record.next_due());
    assert_eq!(due(record()), (false, Some(now())));
    assert_eq!(due(record().postponed(Some(earlier()), Some("x"))), (false, Some(earlier())));
    assert_eq!(due(record().postponed(None, None)), (false, Some(now())));
    assert_eq!(due(record().succeeded(now())), (true, None));
    assert_eq!(due(record().failed(now(), "x")), (true, None));
    assert_eq!(due(record().rejected(now(), "x")), (true, None));
}

#[test]
fn an_attempt_replaces_the_result_of_the_one_before() {
    let failed = record().postponed(Some(now()), Some("x"));
    let succeeded = failed.clone().succeeded(now());
    assert_eq!((succeeded.retries, &succeeded.message, succeeded.delayed), (2, &None, None));
    let again = failed.rejected(now(), "y").postponed(None, None);
    assert_eq!((again.failure, again.rejected, again.retries), (false, false, 3));
}

#[test]
fn a_handler_waits_for_what_it_has_said_until_its_next_attempt() {
    let long = "x".repeat(MESSAGE_LIMIT + 1);
    for message in ["an index", &long] {
        let waiting = record().waiting(now(), message);
        assert!(waiting.waits_for(message) && !waiting.waits_for("another"), "{message}");
        assert_eq!((waiting.next_due(), waiting.retries), (Some(now()), 1));
        for after in [
            waiting.clone().postponed(Some(now()), Some(message)),
            waiting.clone().failed(now(), message),
            waiting.succeeded(now()),
        ] {
            assert!(!after.waits_for(message), "{after:?}");
        }
    }
}

#[test]
fn an_object_is_patient_where_no_handler_has_failed() {
    let with = |records: &[Record]| {
        let numbered = records.iter().enumerate();
        numbered.fold(Progress::default(), |all, (id, record)| all.with(id.to_string(), record.clone()))
    };
    let (waits, retried) =
        (record().waiting(now(), "an index"), record().postponed(Some(now()), Some("no route")));
    let (parent, failed) = (record().postponed(Some(now()), None), record().failed(now(), "x"));
    for (records, expected) in [
        (vec![waits.clone()], true),
        (vec![waits.clone(), parent.clone(), failed, record().succeeded(now())], true),
        (vec![retried.clone()], false),
        (vec![waits, retried.clone()], false),
        (vec![parent, retried], false),
    ] {
        assert_eq!(with(&records).is_patient(), expected, "{records:?}");
    }
}

#[test]
fn long_messages_are_cut_between_characters() {
    let message = |text: &str| record().failed(now(), text).message.unwrap();
    assert_eq!(message(&"x".repeat(MESSAGE_LIMIT)), "x".repeat(MESSAGE_LIMIT));
    assert_eq!(message(&"x".repeat(MESSAGE_LIMIT + 1)), "x".repeat(MESSAGE_LIMIT - 3) + "…");
    for text in ["é", "日", "😀"] {
        let cut = message(&text.repeat(MESSAGE_LIMIT));
        assert!(cut.len() <= MESSAGE_LIMIT && cut.len() > MESSAGE_LIMIT - 4 && cut.ends_with('…'));
    }
}

#[test]
fn changes_of_progress_return_new_values() {
    let old = Progress::default().with("a", record()).with("b", record().failed(now(), "x"));
    assert_eq!(old.without_failures(), Progress::default().with("a", record()));
    let newer = Progress::default().with("b", record()).with("c", record());
    let updated = old.updated(&newer);
    assert_eq!(updated.iter().len(), 3);
    assert_eq!(updated.get("b"), Some(&record()));
}

#[test]
fn records_are_selected_by_failure_and_rejection() {
    let progress = Progress::default()
        .with("create", record())
        .with("update", Record::new(now(), Reason::Update))
        .with("any", Record { purpose: None, ..record() })
        .with("failed", record().failed(now(), "x"))
        .with("rejected", record().rejected(now(), "x"));
    let ids = |progress: Progress| progress.iter().map(|(id, _)| id.to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(progress.without_failures()), ["any", "create", "update"]);
    assert_eq!(ids(progress.without_rejections()), ["any", "create", "failed", "update"]);
}

#[test]
fn handlers_are_counted_by_their_records() {
    let records = [
        Some(record().succeeded(now())),
        Some(record().failed(now(), "x")),
        Some(record().rejected(now(), "x")),
        Some(record().postponed(Some(earlier()), None)),
        Some(record()),
        None,
    ];
    let counts = Counts::of(records.iter().map(Option::as_ref));
    assert_eq!(counts, Counts { succeeded: 1, failed: 2, running: 3 });
}
