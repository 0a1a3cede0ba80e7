//! Sub-handlers, as their users write them.

use super::{Table, answer};
use crate::{
    Attempt, Error, Name, Object, Reason, Result, SubHandlers,
    call::tests::{change_call, table},
    core::{
        cycle::SubOutcome,
        progress::Progress,
        retry::{Attempt as Try, Limits, Outcome},
    },
    families::{ChangeCall, SubCalls, SubHandler},
    handler::Failure,
    on_create, on_update,
};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// A call whose sub-handlers leave what they return in a list, with their ids.
fn calls() -> (ChangeCall, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let caller = move |handler: SubHandler, call: ChangeCall, _: Try| {
        let said = Arc::clone(&heard);
        Box::pin(async move {
            let (id, limits) = (call.object.context.handler.clone(), handler.limits.clone());
            match (handler.invoke)(call).await {
                Ok(reply) => {
                    said.lock().unwrap().push(format!("{id} {limits:?}: {reply:?}"));
                    Outcome::Success
                }
                Err(Failure::Failed(Error::Temporary { delay, .. })) => Outcome::Children { after: delay },
                Err(failure) => Outcome::Failed { message: format!("{failure:?}") },
            }
        }) as BoxFuture<'static, Outcome>
    };
    let subs = SubCalls::new(Progress::default(), false, Arc::new(caller));
    (ChangeCall { subs, ..change_call(Reason::Create, table(json!({"table": "a"}))) }, said)
}

fn ids(done: &[SubOutcome]) -> Vec<&str> {
    done.iter().map(|done| done.id.as_str()).collect()
}

#[tokio::test]
async fn closures_that_own_something_and_functions_are_sub_handlers() {
    async fn named(name: Name, attempt: Attempt, table: Object<Table>) -> Result<Value> {
        Ok(format!("{name} {} {}", attempt.0, table.spec.table).into())
    }
    async fn parent(subs: SubHandlers<Table>) -> Result {
        for item in [String::from("x"), String::from("y")] {
            subs.add(item.clone(), async move |name: Name| {
                Ok::<Value, Error>(format!("{name} {item}").into())
            });
        }
        subs.add_with("named", Limits { retries: Some(3), ..Limits::default() }, named);
        subs.execute().await
    }
    let (call, said) = calls();
    let subs = call.subs.clone();
    let handler = on_create::<Table>("handler").run(parent);
    answer(handler, call).await.unwrap();
    assert_eq!(ids(&subs.take()), ["handler/x", "handler/y", "handler/named"]);
    let said = said.lock().unwrap();
    assert!(said[0].ends_with("Result(String(\"users x\"))"), "{said:?}");
    assert!(said[2].contains("retries: Some(3)") && said[2].ends_with("users 0 a\"))"), "{said:?}");
}

#[tokio::test]
async fn sub_handlers_have_their_own() {
    async fn parent(subs: SubHandlers<Table>) -> Result {
        subs.add("a", async |subs: SubHandlers<Table>| {
            subs.add("b", async || {});
            subs.add("c", async || Err::<(), _>(Error::permanent("no")));
            subs.execute().await
        });
        subs.execute().await
    }
    let (call, _) = calls();
    let subs = call.subs.clone();
    answer(on_update::<Table>("handler").run(parent), call).await.unwrap();
    assert_eq!(ids(&subs.take()), ["handler/a/b", "handler/a/c", "handler/a"]);
}

#[tokio::test]
async fn what_is_unfinished_passes_through_all_levels() {
    async fn parent(subs: SubHandlers<Table>) -> Result {
        subs.add("a", async |subs: SubHandlers<Table>| {
            let later = Duration::from_secs(7);
            subs.add("b", async move || Err::<(), _>(Error::temporary("not yet", later)));
            subs.execute().await
        });
        subs.execute().await
    }
    let (call, _) = calls();
    let subs = call.subs.clone();
    let failure = answer(on_update::<Table>("handler").run(parent), call).await;
    assert!(matches!(failure, Err(Failure::Failed(Error::Temporary { .. }))), "{failure:?}");
    assert_eq!(subs.left(), Some(Duration::from_secs(7)));
}
