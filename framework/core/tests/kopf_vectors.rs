//! korf's core answers as Kopf does: the answers of Kopf itself are in `tests/kopf/vectors`, and what is meant
//! to differ has a name, which stands in the table of `tests/kopf/README.md`.

#![expect(clippy::unwrap_used, reason = "Clippy knows the test functions, not what they call")]

use jiff::Timestamp;
use korf_core::{
    Reason,
    body::Body,
    cause::{Cause, Occasion, Past, Resumption, Situation},
    daemon::Hold,
    diff::{Diff, Field, diff, resolve},
    error::Error,
    essence::essence,
    progress::{Progress, Record},
    retry::{Attempt, Backoff, Limits, OnError, Outcome, Verdict},
    storage::{InAnnotations, Slot, Storage, StorageConfig},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

const SUBJECTS: [&str; 7] = ["diffs", "reductions", "essences", "keys", "progress", "causes", "retries"];
const SHOWN: usize = 5;

#[derive(Deserialize)]
struct Case {
    /// Which of the subject's questions it is, where there are several.
    #[serde(default)]
    of: String,
    #[serde(rename = "in")]
    given: Value,
    kopf: Value,
    /// What differs, by the names in the README; without a name, nothing may.
    #[serde(default)]
    differs: Vec<String>,
    #[serde(default)]
    korf: Value,
}

impl Case {
    fn expected(&self) -> &Value {
        if self.differs.is_empty() { &self.kopf } else { &self.korf }
    }
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "tests", "kopf"].iter().collect()
}

fn cases(subject: &str) -> Vec<Case> {
    let path = folder().join("vectors").join(format!("{subject}.jsonl"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Asks korf what Kopf was asked, and shows the first answers that are not as expected.
fn compare(subject: &str, answer: impl Fn(&str, &Value) -> Value) {
    let mut wrong = Vec::new();
    for (index, case) in cases(subject).iter().enumerate() {
        let found = answer(&case.of, &case.given);
        if &found != case.expected() {
            let (given, names) = (&case.given, case.differs.join(", "));
            let expected = case.expected();
            wrong.push(format!(
                "line {} {names}\n   input {given}\nexpected {expected}\n   found {found}",
                index + 1
            ));
        }
    }
    let shown = &wrong[..wrong.len().min(SHOWN)];
    assert!(wrong.is_empty(), "{} cases of {subject} differ:\n{}", wrong.len(), shown.join("\n"));
}

#[test]
fn values_differ_as_they_do_for_kopf() {
    compare("diffs", |_, given| items(&diff(&given["old"], &given["new"])));
}

#[test]
fn a_handler_of_one_field_gets_what_kopf_gives_it() {
    compare("reductions", |_, given| {
        let (old, new, path) = (&given["old"], &given["new"], keys(&given["path"]));
        let reduced = diff(old, new).reduce(&path);
        json!({"old": resolve(old, &path), "new": resolve(new, &path), "diff": items(&reduced)})
    });
}

#[test]
fn essences_are_kopfs() {
    compare("essences", |_, given| {
        let extra: Vec<Field> =
            given["extra"].as_array().unwrap().iter().map(|path| keys(path).into_iter().collect()).collect();
        essence(&body(given), &storage(given), &extra)
    });
}

#[test]
fn annotations_have_the_names_that_kopf_gives_them() {
    compare("keys", |_, given| {
        annotations(given).keys(Slot::Progress(text(&given["id"])), &body(given)).to_vec().into()
    });
}

#[test]
fn progress_is_written_read_and_erased_as_kopf_does_it() {
    compare("progress", |of, given| match of {
        "text" => record(&given["record"]).to_json().into(),
        "attempts" => texts_of_attempts(given),
        "read" => {
            let (body, id) = (body(given), text(&given["id"]));
            let progress = kopf().read_progress(&body, [id], time(&given["now"]));
            progress.get(id).map_or(Value::Null, fields)
        }
        "patch" => patched(given),
        other => panic!("no such question: {other}"),
    });
}

#[test]
fn an_object_is_looked_at_for_the_reasons_that_kopf_has() {
    compare("causes", |_, given| {
        let (storage, body) = (kopf(), body(given));
        let old = storage.read_diff_base(&body);
        let new = essence(&body, &storage, &[]);
        let difference = old.as_ref().map_or_else(|| diff(&Value::Null, &new), |old| old.diff(&new));
        let progress = storage.read_progress(&body, ["fn", "gn"], Timestamp::UNIX_EPOCH);
        let mut purposes = progress.iter().map(|(_, record)| record.purpose);
        let past = Past {
            handled: old.is_some(),
            changed: !difference.is_empty(),
            begun: purposes.any(|purpose| purpose.is_none_or(|purpose| purpose == Reason::Update)),
        };
        let resumption = (given["initial"] == true).then_some(Resumption::Start);
        let situation = Situation {
            gone: given["type"] == "DELETED",
            occasion: Occasion::Changed,
            resumption,
            rearmed: false,
            eager: false,
            hold: Hold::None,
        };
        let reason = match Cause::of(&body, situation, storage.finalizer(), past) {
            Cause::Gone => "gone",
            Cause::Free => "free",
            Cause::Noop => "noop",
            Cause::Handle(reason) => reason.as_str(),
        };
        json!({"reason": reason, "diff": items(&difference)})
    });
}

#[test]
fn an_attempt_comes_to_what_it_comes_to_in_kopf() {
    compare("retries", |_, given| {
        let limits = limits(given);
        let elapsed = Duration::from_micros(given["elapsed"].as_u64().unwrap());
        let attempt = Attempt { before: count(&given["before"]).unwrap(), elapsed };
        let judged = || Some(limits.judge("fn", &error(given)?, attempt, 0.0));
        let success = || Verdict::unfailed(Outcome::Success);
        let verdict = limits.exhausted("fn", attempt).or_else(judged).unwrap_or_else(success);
        let words = verdict.failure.map_or_else(|| "succeeded.".to_owned(), |failure| failure.to_string());
        let (delay, message) = match verdict.outcome {
            Outcome::Success | Outcome::Ignored => (None, None),
            Outcome::Retry { after, message } => (Some(after.as_micros()), Some(message)),
            Outcome::Failed { message } => (None, Some(message)),
            other => panic!("no error gives {other:?}"),
        };
        json!({"words": words, "final": delay.is_none(), "delay": delay, "message": message})
    });
}

#[test]
fn there_are_thousands_of_cases_and_every_difference_among_them_is_in_the_table_and_as_it_says() {
    let all: Vec<_> = SUBJECTS.into_iter().flat_map(cases).collect();
    assert!(all.len() >= 5000, "{}", all.len());
    for case in &all {
        let (given, kopf, korf) = (&case.given, &case.kopf, case.expected());
        assert_eq!(case.differs.is_empty(), kopf == korf, "named, but the same: {given}");
        for name in &case.differs {
            assert!(is_as_the_table_says(name, case), "{name}:\n{given}\n{kopf}\n{korf}");
        }
    }
    let named: BTreeSet<_> = all.iter().flat_map(|case| &case.differs).map(String::as_str).collect();
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
    assert_eq!(named, rows.collect(), "left: in the vectors, right: in the README's table");
}

/// What the table says of each difference, as far as it shows in the two answers alone.
fn is_as_the_table_says(name: &str, case: &Case) -> bool {
    let (given, kopf, korf) = (&case.given, &case.kopf, &case.korf);
    let both = |path: &str| (kopf.pointer(path), korf.pointer(path));
    let lengths = || (size(kopf), size(korf));
    match name {
        // The answer to one that it could read is in neither.
        _ if !kopf["raises"].is_null() && korf["raises"].is_null() => true,
        "booleans" => lengths().0 < lengths().1,
        "large-numbers" | "cleaned-diff-base" => lengths().0 > lengths().1,
        "null-fields" => kopf.to_string().contains(":null") && !korf.to_string().contains(":null"),
        "put-back-annotations" => {
            let (kopf, korf) = both("/metadata/annotations");
            size(kopf.unwrap_or(&Value::Null)) > size(korf.unwrap_or(&Value::Null))
        }
        "system-metadata" => {
            let system = ["managedFields", "resourceVersion", "generation"];
            let own = Value::from(storage(given).finalizer());
            let finalizers = korf["metadata"]["finalizers"].as_array();
            system.iter().all(|key| korf["metadata"][key].is_null())
                && !finalizers.is_some_and(|all| all.contains(&own))
        }
        "status-leftovers" => {
            let kept = &korf["status"]["kopf"];
            kept["dummy"].is_null() && kept["last-handled-configuration"].is_null()
        }
        "secrets" => {
            let has_digests = |answer: &Value| answer.to_string().contains("blake2b:");
            has_digests(korf) && !has_digests(kopf)
        }
        "no-old-keys" => lengths() == (2, 1),
        "refused-keys" => {
            let all_valid = |answer| keys(answer).iter().all(|key| is_valid(key));
            !all_valid(kopf) && all_valid(korf)
        }
        "unknown-purposes" => kopf["purpose"].is_string() && korf["purpose"].is_null(),
        "long-messages" => kopf.to_string().len() > korf.to_string().len(),
        "lone-markers" => {
            let marker = format!("{}/kopf-managed", annotations(given).prefix());
            let (kopf, korf) = both("/annotations");
            kopf.is_some_and(|all| !all[&marker].is_null()) && korf.is_some_and(|all| all[&marker].is_null())
        }
        "lone-touches" => size(&korf["annotations"]) == 0,
        // Another difference may have made a change of it for Kopf.
        "reverted" if case.differs.len() > 1 => korf["reason"] == "update",
        "reverted" => ["noop", "resume"].contains(&text(&kopf["reason"])) && korf["reason"] == "update",
        "growing-backoff" => given["backoff"].is_null(),
        "numbers" => !kopf["words"].is_null() && kopf["words"] != korf["words"],
        "wordless-errors" => text(&kopf["words"]).ends_with("('')") && text(&korf["words"]).ends_with(": "),
        "no-delay" => kopf["delay"].is_null() && korf["delay"] == 0,
        "temporary-delays" => {
            let start = "failed temporarily";
            text(&kopf["words"]).starts_with(&format!("{start}: "))
                && text(&korf["words"]).starts_with(&format!("{start} and will try again in "))
        }
        _ => false,
    }
}

/// The number of differences, or of keys.
fn size(answer: &Value) -> usize {
    let items = answer.get("diff").unwrap_or(answer);
    items.as_array().map(Vec::len).or(items.as_object().map(Map::len)).unwrap_or_default()
}

/// Whether Kubernetes takes an annotation of this name (`IsQualifiedName`).
fn is_valid(key: &str) -> bool {
    let (_, name) = key.split_once('/').unwrap();
    let plain = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| plain(c) || "-_.".contains(c);
    (1..=63).contains(&name.len())
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(inner)
}

fn body(given: &Value) -> Body {
    given["body"].clone().into()
}

fn storage(given: &Value) -> Storage {
    given["operator"].as_str().map_or_else(kopf, |name| StorageConfig::default().storage(name).unwrap())
}

fn kopf() -> Storage {
    StorageConfig { kopf: true, ..StorageConfig::default() }.storage("kopf").unwrap()
}

fn annotations(given: &Value) -> InAnnotations {
    let own = |name: &str| InAnnotations::new(&format!("{name}.korf.dev")).unwrap();
    given["operator"].as_str().map_or_else(InAnnotations::kopf, own)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn keys(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|key| text(key).to_owned()).collect()
}

fn items(diff: &Diff) -> Value {
    diff.iter().map(|item| json!([item.op.as_str(), item.field.keys(), item.old, item.new])).collect()
}

fn count(value: &Value) -> Option<u32> {
    value.as_u64().map(|count| count.try_into().unwrap())
}

/// Of the microseconds of Unix time.
fn time(value: &Value) -> Timestamp {
    Timestamp::from_microsecond(value.as_i64().unwrap()).unwrap()
}

fn some_time(value: &Value) -> Option<Timestamp> {
    (!value.is_null()).then(|| time(value))
}

fn purpose(value: &Value) -> Option<Reason> {
    let reasons = [Reason::Create, Reason::Update, Reason::Delete, Reason::Resume];
    reasons.into_iter().find(|reason| value == reason.as_str())
}

fn record(fields: &Value) -> Record {
    Record {
        stopped: some_time(&fields["stopped"]),
        delayed: some_time(&fields["delayed"]),
        purpose: purpose(&fields["purpose"]),
        retries: count(&fields["retries"]).unwrap(),
        success: fields["success"] == true,
        failure: fields["failure"] == true,
        message: fields["message"].as_str().map(str::to_owned),
        ..Record::new(time(&fields["started"]), Reason::Create).with_subrefs(keys(&fields["subrefs"]))
    }
}

fn fields(record: &Record) -> Value {
    let micros = |time: Option<Timestamp>| time.map(Timestamp::as_microsecond);
    json!({
        "started": micros(Some(record.started)), "stopped": micros(record.stopped),
        "delayed": micros(record.delayed), "purpose": record.purpose.map(Reason::as_str),
        "retries": record.retries, "success": record.success, "failure": record.failure,
        "message": record.message, "subrefs": record.subrefs,
    })
}

fn texts_of_attempts(given: &Value) -> Value {
    let mut record = Record::new(time(&given["now"]), purpose(&given["purpose"]).unwrap());
    let mut texts = vec![record.to_json()];
    for attempt in given["attempts"].as_array().unwrap() {
        record = attempted(record, attempt, time(&attempt["now"])).with_subrefs(keys(&attempt["subrefs"]));
        texts.push(record.to_json());
    }
    texts.into()
}

fn attempted(record: Record, outcome: &Value, now: Timestamp) -> Record {
    let error = outcome["error"].as_str();
    match (outcome["final"] == true, error) {
        (true, None) => record.succeeded(now),
        (true, Some(error)) => record.failed(now, error),
        (false, _) => {
            let delay = outcome["delay"].as_u64().map(Duration::from_millis);
            record.postponed(delay.map(|delay| now + delay), error)
        }
    }
}

/// The changes of an object's annotations and status after one attempt of each handler that is due.
fn patched(given: &Value) -> Value {
    let (storage, body, now) = (storage(given), body(given), time(&given["now"]));
    let reason = purpose(&given["purpose"]).unwrap();
    let ids = keys(&given["ids"]);
    let old = storage.read_progress(&body, ids.iter().map(String::as_str), now);
    let new = ids.iter().fold(old.clone(), |progress, id| {
        let record = progress.get(id).cloned().unwrap_or_else(|| Record::new(now, reason));
        let is_due = !record.is_finished() && record.delayed.is_none_or(|due| due <= now);
        let record = if is_due { attempted(record, &given["outcomes"][id], now) } else { record };
        progress.with(id, record)
    });
    let finished = new.iter().all(|(_, record)| record.is_finished());
    let new = if finished { Progress::default() } else { new };
    let patch = storage.write_progress(&body, &old, &new);
    let annotations = patch["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    json!({ "annotations": annotations, "status": patch["status"] })
}

fn limits(given: &Value) -> Limits {
    let seconds = |name: &str| given[name].as_f64().map(Duration::from_secs_f64);
    Limits {
        retries: count(&given["retries"]),
        timeout: seconds("timeout"),
        backoff: seconds("backoff").map_or_else(Backoff::default, Backoff::Constant),
        errors: match text(&given["errors"]) {
            "IGNORED" => OnError::Ignored,
            "PERMANENT" => OnError::Permanent,
            _ => OnError::Temporary,
        },
    }
}

fn error(given: &Value) -> Option<Error> {
    let (message, delay) = (text(&given["message"]), given["delay"].as_f64().unwrap_or_default());
    match text(&given["error"]) {
        "temporary" => Some(Error::temporary(message, Duration::from_secs_f64(delay))),
        "permanent" => Some(Error::permanent(message)),
        "arbitrary" => Some(Error::Unclassified(message.into())),
        _ => None,
    }
}
