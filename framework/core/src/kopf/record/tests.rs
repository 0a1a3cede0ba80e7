use super::*;
use crate::progress::tests::{earlier, now, record};
use proptest::prelude::*;
use serde_json::json;

fn read(json: &str) -> Result<Record, String> {
    Record::from_json(&serde_json::from_str(json).unwrap(), now())
}

/// Records and what Kopf 1.45.2 stores for them (`HandlerState.for_storage`, `AnnotationsProgressStorage`).
fn kopfs() -> Vec<(Record, &'static str)> {
    vec![
        (
            Record { purpose: None, ..record() },
            r#"{"started":"2026-11-22T14:53:30.883823+00:00","retries":0,"success":false,"failure":false}"#,
        ),
        (
            Record::new(earlier(), Reason::Create),
            r#"{"started":"2026-01-02T03:04:05.000000+00:00","purpose":"create","retries":0,"success":false,"failure":false}"#,
        ),
        (
            Record::new(now(), Reason::Update).succeeded(earlier()),
            r#"{"started":"2026-11-22T14:53:30.883823+00:00","stopped":"2026-01-02T03:04:05.000000+00:00","purpose":"update","retries":1,"success":true,"failure":false}"#,
        ),
        (
            Record { retries: 2, ..Record::new(now(), Reason::Delete) }
                .postponed(Some(earlier()), Some("no \"db\" é 日本 😀 \n\t\u{7f}\u{1} /\\")),
            r#"{"started":"2026-11-22T14:53:30.883823+00:00","delayed":"2026-01-02T03:04:05.000000+00:00","purpose":"delete","retries":3,"success":false,"failure":false,"message":"no \"db\" \u00e9 \u65e5\u672c \ud83d\ude00 \n\t\u007f\u0001 /\\"}"#,
        ),
        (
            record().postponed(None, None).failed(now(), "x"),
            r#"{"started":"2026-11-22T14:53:30.883823+00:00","stopped":"2026-11-22T14:53:30.883823+00:00","purpose":"create","retries":2,"success":false,"failure":true,"message":"x"}"#,
        ),
        (
            Record { message: Some(String::new()), ..record() }.with_subrefs(["p/b", "p/a", "p/a/x"]),
            r#"{"started":"2026-11-22T14:53:30.883823+00:00","purpose":"create","retries":0,"success":false,"failure":false,"message":"","subrefs":["p/a","p/a/x","p/b"]}"#,
        ),
    ]
}

#[test]
fn records_are_written_as_kopf_writes_them() {
    for (record, json) in kopfs() {
        assert_eq!(record.to_json(), json);
    }
}

#[test]
fn records_are_read_as_kopf_wrote_them() {
    for (record, json) in kopfs() {
        assert_eq!(read(json), Ok(record));
    }
}

#[test]
fn absent_null_and_unknown_fields_have_their_defaults() {
    let empty = Record { purpose: None, ..record() };
    for json in ["{}", r#"{"started":null,"retries":null,"success":null,"subrefs":null,"message":null}"#] {
        assert_eq!(read(json), Ok(empty.clone()), "{json}");
    }
    for purpose in ["noop", "", "another"] {
        assert_eq!(read(&json!({"purpose": purpose, "new": 1}).to_string()), Ok(empty.clone()), "{purpose}");
    }
}

#[test]
fn times_of_older_kopfs_have_no_offset_and_are_utc() {
    for text in [
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.000000",
        "2026-01-02T03:04:05Z",
        "2026-01-02T05:04:05+02:00",
        "2026-01-02 03:04:05",
    ] {
        assert_eq!(read(&json!({"started": text}).to_string()).map(|r| r.started), Ok(earlier()), "{text}");
    }
}

#[test]
fn a_record_in_another_form_is_rejected() {
    for json in [
        "[]",
        "1",
        r#"{"started":1}"#,
        r#"{"started":"yesterday"}"#,
        r#"{"started":"-000001-01-01T00:00:00Z"}"#,
        r#"{"delayed":"0000-12-31T23:59:59Z"}"#,
        r#"{"retries":-1}"#,
        r#"{"success":"yes"}"#,
        r#"{"subrefs":"a"}"#,
    ] {
        assert!(read(json).is_err(), "{json}");
    }
}

#[test]
fn only_a_record_of_a_rejection_has_the_field_for_it() {
    let json = record().rejected(now(), "x").to_json();
    assert!(json.ends_with(r#","failure":true,"message":"x","refused":true}"#), "{json}");
}

#[test]
fn only_a_record_of_a_wait_has_the_field_for_it() {
    let json = record().waiting(now(), "x").to_json();
    assert!(json.ends_with(r#","failure":false,"message":"x","waits":true}"#), "{json}");
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    // The years 1 to 9999, which are those that Python has.
    (-62_135_596_800_000_000i64..253_402_200_000_000_000)
        .prop_map(|us| Timestamp::from_microsecond(us).unwrap())
}

fn any_record() -> impl Strategy<Value = Record> {
    let times = (any_time(), prop::option::of(any_time()), prop::option::of(any_time()));
    let purpose =
        prop::option::of(prop::sample::select(vec![Reason::Create, Reason::Update, Reason::Delete]));
    let flags = (any::<u32>(), any::<[bool; 5]>());
    let texts = (prop::option::of(any::<String>()), prop::collection::btree_set(any::<String>(), 0..3));
    (times, purpose, flags, texts).prop_map(|(times, purpose, flags, (message, subrefs))| {
        let (started, stopped, delayed) = times;
        let (retries, [success, failure, rejected, waits, saw_newer]) = flags;
        Record {
            started,
            stopped,
            delayed,
            purpose,
            retries,
            success,
            failure,
            message,
            subrefs,
            rejected,
            waits,
            saw_newer,
        }
    })
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(record in any_record()) {
        let json = record.to_json();
        prop_assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(read(&json), Ok(record));
    }

    #[test]
    fn nanoseconds_make_no_difference(nanos in 0i128..4_000_000_000_000_000_000) {
        let time = Timestamp::from_nanosecond(nanos).unwrap();
        let record = Record::new(time, Reason::Create).postponed(Some(time), None);
        prop_assert_eq!(read(&record.to_json()), Ok(record.clone()));
        let finer = json!({"started": time, "delayed": time, "purpose": "create", "retries": 1});
        prop_assert_eq!(read(&finer.to_string()), Ok(record));
    }
}
