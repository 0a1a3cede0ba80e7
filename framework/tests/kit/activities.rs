//! Start-up and clean-up handlers, with the kit's clock.

use crate::lights::{Light, light};
use korf::{
    Attempt, Error, Name, Operator, Result, RunError, State,
    extract::{CancellationToken, OperatorSetup},
    handler::{Activity, Handler, Registry},
    on_cleanup, on_create, on_login, on_startup,
};
use korf_testing::Cluster;
use kube::{Client, Config};
use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use tracing::Level;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The activities and handlers that were called, in their order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn add(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

async fn handle(name: Name, calls: State<Calls>) {
    calls.add(name.to_string());
}

fn cluster(
    calls: &Calls,
    handlers: impl Fn() -> Vec<Handler> + Send + Sync + 'static,
    activities: impl Fn() -> Vec<Activity> + Send + Sync + 'static,
) -> std::result::Result<Cluster, RunError> {
    let calls = calls.clone();
    Cluster::of(move || {
        let operator = Operator::with_registry("lamps", Registry::from_iter(handlers())).state(calls.clone());
        activities().into_iter().fold(operator, Operator::activity)
    })
}

fn creation() -> Vec<Handler> {
    vec![on_create::<Light>("handle").run(handle)]
}

/// The messages at these levels, without those that tell of the watches.
fn messages(cluster: &Cluster, levels: &[Level]) -> Vec<String> {
    let lines = cluster.lines().into_iter().filter(|line| levels.contains(&line.level));
    lines.map(|line| line.message).filter(|message| !message.starts_with("Watching ")).collect()
}

#[test]
fn start_up_handlers_run_in_the_order_of_the_source_and_before_anything_is_watched() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, creation, || {
        vec![
            on_startup("first").run(async |attempt: Attempt, calls: State<Calls>| {
                calls.add(format!("first {}", attempt.0));
                if attempt.0 < 2 { Err(Error::temporary("not yet", seconds(1))) } else { Ok(()) }
            }),
            on_startup("second").run(async |calls: State<Calls>| calls.add("second")),
        ]
    })
    .unwrap();
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!((calls.all().len(), cluster.requests().len()), (1, 0), "it watches nothing");
    cluster.advance(seconds(2));
    assert_eq!(calls.all(), ["first 0", "first 1", "first 2", "second", "a"]);
    let retried = "Activity 'first' failed temporarily and will try again in 1 seconds: not yet";
    assert_eq!(
        messages(&cluster, &[Level::INFO, Level::WARN, Level::ERROR]),
        [
            retried,
            retried,
            "Activity 'first' succeeded.",
            "Activity 'second' succeeded.",
            "Handler 'handle' succeeded.",
            "Creation is processed: 1 succeeded; 0 failed.",
        ]
    );
}

#[test]
fn a_start_up_handler_waits_without_an_error() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, creation, || {
        vec![on_startup("first").run(async |attempt: Attempt| match attempt.0 {
            0..3 => Err(Error::waiting("the schema is being made", seconds(1))),
            _ => Ok(()),
        })]
    })
    .unwrap();
    cluster.advance(seconds(3));
    assert_eq!(
        messages(&cluster, &[Level::INFO, Level::WARN, Level::ERROR]),
        [
            "Activity 'first' waits, and is called again in 1 seconds: the schema is being made",
            "Activity 'first' succeeded.",
        ]
    );
}

#[test]
fn what_start_up_handlers_provide_and_set_is_there_for_all_that_come_later() {
    let calls = Calls::default();
    let handlers = || {
        vec![on_create::<Light>("handle").run(async |text: State<String>, calls: State<Calls>| {
            calls.add(format!("handle {}", *text));
        })]
    };
    let mut cluster = cluster(&calls, handlers, || {
        vec![
            on_startup("provide").run(async |setup: OperatorSetup| {
                setup.state(String::from("hello"));
                setup.settings(|settings| settings.stopping.grace = seconds(3));
            }),
            on_startup("later").run(async |text: State<String>, calls: State<Calls>| {
                calls.add(format!("later {}", *text));
            }),
            on_cleanup("end").run(async |text: State<String>, calls: State<Calls>| {
                calls.add(format!("end {}", *text));
                pending::<()>().await;
            }),
        ]
    })
    .unwrap();
    cluster.create(&light("a", "red")).unwrap();
    let begun = cluster.now();
    cluster.stop().unwrap();
    assert_eq!(calls.all(), ["later hello", "handle hello", "end hello"]);
    assert_eq!(cluster.now().duration_since(begun).as_secs(), 3, "the grace that was set");
}

#[test]
fn a_start_up_handler_that_has_failed_permanently_ends_the_operator_with_one_line() {
    let failures: [(Activity, &str); 4] = [
        (
            on_startup("x").run(async || Err::<(), _>(Error::permanent("no disk"))),
            "Activity 'x' failed permanently: no disk",
        ),
        (
            on_startup("x").retries(1).run(async || Err::<(), _>(Error::temporary("no disk", seconds(1)))),
            "Activity 'x' failed temporarily but will exceed 1 retries: no disk",
        ),
        (
            on_startup("x").timeout(seconds(0)).run(async || pending::<()>().await),
            "Activity 'x' has timed out after 0:00:00.",
        ),
        (
            on_startup("x").run(async |_text: State<String>| {}),
            "Activity 'x' failed permanently: no `.state(…)` of type `alloc::string::String` was given",
        ),
    ];
    for (activity, expected) in failures {
        let calls = Calls::default();
        let ends = cluster(&calls, creation, move || {
            vec![
                activity.clone(),
                on_startup("later").run(async |calls: State<Calls>| calls.add("later")),
                on_cleanup("end").run(async |calls: State<Calls>| calls.add("end")),
            ]
        });
        let error = ends.expect_err(expected);
        assert_eq!(error.to_string(), format!("the operator can't start: {expected}"));
        assert_eq!(calls.all(), [""; 0], "neither later ones nor the clean-up");
    }
}

#[test]
fn a_state_that_no_start_up_handler_provides_ends_the_operator_with_one_line() {
    let handlers = || vec![on_create::<Light>("handle").run(async |_text: State<String>| {})];
    let ends = cluster(&Calls::default(), handlers, || vec![on_startup("x").run(async || {})]);
    let error = ends.expect_err("the state is missing").to_string();
    assert!(error.contains("`handle`") && error.contains("State<alloc::string::String>"), "{error}");
}

#[test]
fn a_start_up_handler_that_never_ends_is_told_of_ever_more_seldom_and_a_stop_ends_it_at_once() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, creation, || {
        vec![
            on_startup("slow").run(async || pending::<()>().await),
            on_cleanup("end").run(async |calls: State<Calls>| calls.add("end")),
        ]
    })
    .unwrap();
    cluster.advance(seconds(700));
    let told = |after: u32| {
        format!(
            "Activity 'slow' has run for {after} seconds. The operator waits for it, and watches nothing before it has \
             succeeded."
        )
    };
    assert_eq!(messages(&cluster, &[Level::INFO]), [told(5), told(305), told(605)]);
    let begun = cluster.now();
    cluster.stop().unwrap();
    assert!(cluster.now().duration_since(begun).as_millis() < 10);
    let warned = messages(&cluster, &[Level::WARN]);
    assert_eq!(warned, ["Startup activity is only partially executed due to cancellation."]);
    assert_eq!(calls.all(), [""; 0], "as in Kopf, there is nothing to clean up");
}

#[test]
fn clean_up_handlers_run_after_the_last_handler_and_one_that_hangs_is_cut_by_the_grace() {
    let calls = Calls::default();
    let handlers = || {
        vec![on_create::<Light>("handle").run(async |stop: CancellationToken, calls: State<Calls>| {
            stop.cancelled().await;
            tokio::time::sleep(seconds(2)).await;
            calls.add("handler ends");
        })]
    };
    let mut cluster = cluster(&calls, handlers, || {
        vec![
            on_cleanup("hangs").run(async |calls: State<Calls>| {
                calls.add("hangs");
                pending::<()>().await;
            }),
            on_cleanup("retried").run(async |attempt: Attempt, calls: State<Calls>| {
                calls.add(format!("retried {}", attempt.0));
                if attempt.0 < 1 { Err(Error::temporary("not yet", seconds(1))) } else { Ok(()) }
            }),
        ]
    })
    .unwrap();
    cluster.create(&light("a", "red")).unwrap();
    let begun = cluster.now();
    cluster.stop().unwrap();
    assert_eq!(calls.all(), ["handler ends", "hangs", "retried 0", "retried 1"]);
    assert_eq!(cluster.now().duration_since(begun).as_secs(), 25);
    let cut = "Clean-up handler(s) did not finish within the time that the operator has to stop, and are cancelled: hangs.";
    assert_eq!(messages(&cluster, &[Level::WARN]), [cut]);
}

#[test]
fn handlers_that_hang_leave_some_of_the_grace_to_clean_up_handlers() {
    let calls = Calls::default();
    let handlers = || vec![on_create::<Light>("hang").run(async || pending::<()>().await)];
    let mut cluster = cluster(&calls, handlers, || {
        vec![on_cleanup("end").run(async |calls: State<Calls>| calls.add("end"))]
    })
    .unwrap();
    cluster.create(&light("a", "red")).unwrap();
    let begun = cluster.now();
    cluster.stop().unwrap();
    assert_eq!((calls.all(), cluster.now().duration_since(begun).as_secs()), (vec!["end".to_owned()], 20));
}

#[test]
fn a_clean_up_handler_that_has_failed_permanently_is_an_error_of_the_operator_and_the_others_go_on() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, creation, || {
        vec![
            on_cleanup("fails").run(async || -> Result { Err(Error::permanent("no disk")) }),
            on_cleanup("panics").retries(1).run(async || -> Result { panic!("oops") }),
            on_cleanup("end").run(async |calls: State<Calls>| calls.add("end")),
        ]
    })
    .unwrap();
    let error = cluster.stop().unwrap_err();
    assert!(matches!(&error, RunError::Cleanup { ids } if *ids == ["fails", "panics"]), "{error}");
    assert_eq!(calls.all(), ["end"]);
    assert_eq!(
        messages(&cluster, &[Level::ERROR]),
        [
            "Activity 'fails' failed permanently: no disk",
            "Activity 'panics' failed with an exception and will stop now (it would exceed 1 retries on the next attempt): \
             it panicked: oops",
        ]
    );
}

/// Logs in by these handlers, and ends with the failure of a start-up handler. Returns the error.
async fn log_in(calls: &Calls, logins: Vec<Activity>, stop: CancellationToken) -> Option<RunError> {
    let fails = on_startup("fails").run(async || Err::<(), _>(Error::permanent("enough")));
    let operator = Operator::with_registry("lamps", Registry::from_iter(creation()))
        .state(calls.clone())
        .activity(fails);
    logins.into_iter().fold(operator, Operator::activity).run_until(stop).await.err()
}

/// A server that nobody asks.
async fn nowhere(calls: State<Calls>) -> Result<Config> {
    calls.add("nowhere");
    Ok(Config::new("http://127.0.0.1:9".parse().map_err(Error::new)?))
}

#[tokio::test(start_paused = true)]
async fn the_first_login_handler_that_succeeds_is_enough_and_failed_ones_are_retried_first() {
    let calls = Calls::default();
    let logins = vec![
        on_login("vault").retries(2).run(async |attempt: Attempt, calls: State<Calls>| {
            calls.add(format!("vault {}", attempt.0));
            Err::<Config, _>(Error::temporary("sealed", seconds(1)))
        }),
        on_login("nowhere").run(nowhere),
        on_login("unasked").run(async |calls: State<Calls>| {
            calls.add("unasked");
            Err::<Config, _>(Error::permanent("unasked"))
        }),
    ];
    let ended = log_in(&calls, logins, CancellationToken::new()).await;
    assert!(matches!(ended, Some(RunError::Startup { .. })), "{ended:?}");
    assert_eq!(calls.all(), ["vault 0", "vault 1", "nowhere"]);
}

#[tokio::test(start_paused = true)]
async fn if_no_login_handler_succeeds_the_operator_ends_with_one_line_that_says_why() {
    let logins = vec![
        on_login("vault").run(async || Err::<Config, _>(Error::permanent("sealed"))),
        on_login("cloud").retries(1).run(async |client: Client| {
            client.apiserver_version().await?;
            Err::<Config, _>(Error::permanent("there is none"))
        }),
    ];
    let ended = log_in(&Calls::default(), logins, CancellationToken::new()).await.unwrap();
    let expected = "the operator can't log in: Activity 'vault' failed permanently: sealed; Activity 'cloud' failed with an exception \
                    and will stop now (it would exceed 1 retries on the next attempt): ";
    assert!(ended.to_string().starts_with(expected), "{ended}");
    assert!(ended.to_string().contains("a login handler has no client: it is what it makes"), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_login_that_hangs_at_once() {
    let stop = CancellationToken::new();
    let logins = vec![on_login("hangs").run(async || {
        pending::<()>().await;
        Err::<Config, _>(Error::permanent("never"))
    })];
    let stopping = async {
        tokio::time::sleep(seconds(60)).await;
        stop.cancel();
    };
    let begun = Instant::now();
    let calls = Calls::default();
    let (ended, ()) = tokio::join!(log_in(&calls, logins, stop.clone()), stopping);
    assert!(ended.is_none(), "{ended:?}");
    assert_eq!(begun.elapsed(), seconds(60));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_check_of_the_status_storage_at_once_where_the_api_server_does_not_answer() {
    let silent = tower::service_fn(|_: http::Request<kube::client::Body>| {
        pending::<std::result::Result<http::Response<kube::client::Body>, tower::BoxError>>()
    });
    let stop = CancellationToken::new();
    let operator = Operator::with_registry("lamps", Registry::from_iter(creation()))
        .state(Calls::default())
        .client(Client::new(silent, "default"))
        .status_storage();
    let stopping = async {
        tokio::time::sleep(seconds(1)).await;
        stop.cancel();
    };
    let begun = Instant::now();
    let (ended, ()) = tokio::join!(operator.run_until(stop.clone()), stopping);
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(begun.elapsed(), seconds(1));
}
