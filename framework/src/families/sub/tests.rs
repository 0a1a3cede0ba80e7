use super::*;
use crate::{
    call::tests::change_call,
    core::{Reason, progress::Record},
    families::Failure,
    reply::Reply,
};
use serde_json::json;

/// Sub-handlers whose outcomes are what their ids begin with, and that are not called in any other way.
fn subs(known: Progress, eager: bool) -> SubCalls {
    let caller = |handler: SubHandler, call: ChangeCall, _: Attempt| {
        let outcome = match handler.id.split('-').next() {
            Some("retry") => Outcome::Retry { after: Duration::from_secs(9), message: "not yet".into() },
            Some("fail") => Outcome::Failed { message: "no".into() },
            _ => Outcome::Success,
        };
        Box::pin(async move {
            let below = (handler.invoke)(call).await;
            if below.is_ok() { outcome } else { Outcome::Children { after: Duration::from_secs(5) } }
        }) as BoxFuture<'static, Outcome>
    };
    SubCalls::new(known, eager, Arc::new(caller))
}

fn sub(id: &str) -> SubHandler {
    let invoke = Box::new(|_| Box::pin(async { Ok(Reply::Nothing) }) as Answer);
    SubHandler { id: id.into(), limits: Limits::default(), invoke }
}

fn call(reason: Reason, subs: &SubCalls) -> ChangeCall {
    ChangeCall { subs: subs.clone(), ..change_call(reason, json!({})) }
}

/// The ids, each with whether it was called.
fn taken(subs: &SubCalls) -> Vec<(String, bool)> {
    subs.take().into_iter().map(|done| (done.id, done.outcome.is_some())).collect()
}

fn owned(ids: &[(&str, bool)]) -> Vec<(String, bool)> {
    ids.iter().map(|(id, called)| ((*id).to_owned(), *called)).collect()
}

#[tokio::test]
async fn the_parent_waits_for_the_first_that_is_to_be_tried_again() {
    let subs = subs(Progress::default(), false);
    ["a", "retry", "fail"].into_iter().for_each(|id| subs.add(sub(id)));
    subs.execute(&call(Reason::Create, &subs)).await.unwrap_err();
    assert_eq!(subs.left(), Some(Duration::from_secs(9)));
    assert_eq!(taken(&subs), owned(&[("handler/a", true), ("handler/retry", true), ("handler/fail", true)]));
    subs.execute(&call(Reason::Create, &subs)).await.unwrap();
    assert_eq!(taken(&subs), [], "each is called once");
}

#[tokio::test]
async fn those_that_are_done_or_not_due_are_not_called() {
    let start = change_call(Reason::Create, json!({})).object.context.now;
    let record = || Record::new(start, Reason::Create);
    let later = start + Duration::from_secs(60);
    let known = Progress::default()
        .with("handler/done", record().succeeded(start))
        .with("handler/failed", record().failed(start, "no"))
        .with("handler/later", record().postponed(Some(later), Some("not yet")))
        .with("handler/due", record().postponed(Some(start), Some("not yet")));
    for (eager, called, left) in [(false, false, Some(60)), (true, true, None)] {
        let subs = subs(known.clone(), eager);
        ["done", "failed", "later", "due"].into_iter().for_each(|id| subs.add(sub(id)));
        let result = subs.execute(&call(Reason::Create, &subs)).await;
        assert_eq!((result.is_err(), subs.left()), (left.is_some(), left.map(Duration::from_secs)));
        let expected = [
            ("handler/done", false),
            ("handler/failed", false),
            ("handler/later", called),
            ("handler/due", true),
        ];
        assert_eq!(taken(&subs), owned(&expected));
    }
}

#[tokio::test]
async fn one_that_failed_permanently_is_done_except_in_a_deletion() {
    for (reason, fails) in [(Reason::Create, false), (Reason::Update, false), (Reason::Delete, true)] {
        let subs = subs(Progress::default(), false);
        subs.add(sub("fail-x"));
        let error = subs.execute(&call(reason, &subs)).await.err();
        assert_eq!((error.is_some(), subs.left()), (fails, None), "{reason}");
        if let Some(error) = error {
            assert_eq!(error.to_string(), "sub-handlers have failed permanently: handler/fail-x");
        }
    }
}

#[tokio::test]
async fn sub_handlers_have_sub_handlers() {
    let subs = subs(Progress::default(), false);
    let invoke = Box::new(|call: ChangeCall| {
        Box::pin(async move {
            call.subs.add(sub("retry"));
            call.subs.execute(&call).await.map_err(Failure::Failed)?;
            Ok(Reply::Nothing)
        }) as Answer
    });
    subs.add(SubHandler { invoke, ..sub("a") });
    subs.add(sub("b"));
    subs.execute(&call(Reason::Create, &subs)).await.unwrap_err();
    assert_eq!(subs.left(), Some(Duration::from_secs(5)));
    let expected = [("handler/a/retry", true), ("handler/a", true), ("handler/b", true)];
    assert_eq!(taken(&subs), owned(&expected));
}

#[tokio::test]
async fn each_needs_an_id_of_its_own() {
    for (ids, said) in [
        (["a", "a"], "two sub-handlers are called `a`: each needs an id"),
        (["a", ""], "a sub-handler has an empty id"),
    ] {
        let subs = subs(Progress::default(), false);
        ids.into_iter().for_each(|id| subs.add(sub(id)));
        let error = subs.execute(&call(Reason::Create, &subs)).await.unwrap_err();
        assert!(matches!(error, Error::Permanent(_)));
        assert_eq!(error.to_string(), said);
        assert_eq!(taken(&subs), []);
    }
}
