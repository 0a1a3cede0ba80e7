use super::*;
use crate::runtime::observe::Sink;
use futures::future::{join_all, pending};
use http::Method;
use kube::client::AuthError;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::{advance, sleep, timeout};
use tower::service_fn;

const PATIENCE: Duration = Duration::from_secs(3);
const DELAYS: Delays = Delays { between: Duration::from_secs(5), wait: Duration::from_secs(1) };

type Answer = Result<u16, BoxError>;

/// A server: its number of requests, and what it answers.
#[derive(Clone)]
struct Server {
    requests: Arc<AtomicUsize>,
    answer: Arc<dyn Fn(usize) -> Answer + Send + Sync>,
}

impl Server {
    /// Answers each request by its number.
    fn new(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self { requests: Arc::default(), answer: Arc::new(answer) }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn entry(&self) -> Entry {
        let server = self.clone();
        let service = service_fn(move |_: Request<Body>| {
            let answer = (server.answer)(server.requests.fetch_add(1, Ordering::Relaxed));
            let response = |code| Response::builder().status(code).body(Body::empty()).unwrap();
            async move { answer.map(response) }
        });
        Entry { client: Client::new(service, "default"), fingerprint: 1, plugin: Some("aws".into()) }
    }
}

/// A session, and what is observed of it.
struct Case {
    session: Session,
    observed: Arc<Mutex<Vec<String>>>,
    logins: Arc<AtomicUsize>,
}

impl Case {
    fn new(
        server: &Server,
        log_in: impl Fn(Option<u64>) -> BoxFuture<'static, LoggedIn> + Send + Sync + 'static,
    ) -> Self {
        let (observed, logins) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (seen, count) = (Arc::clone(&observed), Arc::clone(&logins));
        let sink = move |observation: &Observation<'_>| {
            lock(&seen).push(match observation {
                Observation::LoginRejected { why, .. } => format!("rejected: {}", why.unwrap_or("-")),
                Observation::LoginRenewed => "renewed".to_owned(),
                other => format!("{other:?}"),
            });
        };
        let log_in = move |known| {
            count.fetch_add(1, Ordering::Relaxed);
            log_in(known)
        };
        let renewal = Renewal::new(server.entry(), DELAYS, "a plugin may hang", Box::new(log_in));
        let observer = Observer::new([Arc::new(sink) as Sink]);
        Self { session: Session::new(renewal, "default".to_owned(), PATIENCE, &observer), observed, logins }
    }

    /// The code of the answer to a request; 0 without one.
    async fn request(&self, method: Method) -> u16 {
        let request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
        self.session.client().send(request).await.map_or(0, |answer| answer.status().as_u16())
    }

    async fn get(&self) -> u16 {
        self.request(Method::GET).await
    }

    fn logins(&self) -> usize {
        self.logins.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.session.rejected().is_cancelled()
    }

    fn observed(&self) -> Vec<String> {
        lock(&self.observed).clone()
    }
}

fn hangs(_: Option<u64>) -> BoxFuture<'static, LoggedIn> {
    pending().boxed()
}

fn fails(_: Option<u64>) -> BoxFuture<'static, LoggedIn> {
    async { Err("no plugin".to_owned()) }.boxed()
}

#[test]
fn only_an_answer_of_the_api_server_itself_accepts_credentials() {
    let cases = [
        (None, Verdict::In(Trouble::Unreachable)),
        (Some(200), Verdict::Accepted),
        (Some(401), Verdict::In(Trouble::Rejected)),
        (Some(403), Verdict::Accepted),
        (Some(404), Verdict::Accepted),
        (Some(429), Verdict::Accepted),
        (Some(500), Verdict::Nothing),
        (Some(502), Verdict::Nothing),
        (Some(504), Verdict::Nothing),
    ];
    for (code, expected) in cases {
        assert_eq!(verdict(code.map(|code| StatusCode::from_u16(code).unwrap())), expected, "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_hangs_is_the_only_one_and_its_requests_go_on_until_patience_ends() {
    let case = Case::new(&Server::new(|_| Ok(401)), hangs);
    let dropped = timeout(Duration::from_millis(100), case.get()).await;
    assert!(dropped.is_err(), "it waits for the login");
    assert_eq!(join_all((0..8).map(|_| case.get())).await, [401; 8]);
    let why = "rejected: the login has not ended after 1s: a plugin may hang";
    assert_eq!((case.logins(), case.observed()), (1, vec![why.to_owned()]));
    let waits = Instant::now();
    assert_eq!(case.get().await, 401);
    assert_eq!(waits.elapsed(), Duration::ZERO, "nobody waits for it any longer");
    assert!(!case.is_over());
    advance(PATIENCE).await;
    assert_eq!((case.get().await, case.is_over(), case.logins()), (401, true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_takes_longer_than_requests_wait_serves_later_ones() {
    let better = Server::new(|_| Ok(200));
    let entry = better.entry();
    let case = Case::new(&Server::new(|_| Ok(401)), move |_| {
        let entry = entry.clone();
        async move {
            sleep(2 * DELAYS.wait).await;
            Ok(Some(entry))
        }
        .boxed()
    });
    assert_eq!(case.get().await, 401);
    sleep(2 * DELAYS.wait).await;
    assert_eq!((case.get().await, case.logins()), (200, 1));
    assert_eq!(case.observed().last().map(String::as_str), Some("renewed"));
}

#[tokio::test(start_paused = true)]
async fn many_requests_that_are_rejected_at_once_log_in_once() {
    let entry = Server::new(|_| Ok(200)).entry();
    let case = Case::new(&Server::new(|_| Ok(401)), move |_| {
        let entry = entry.clone();
        async move { Ok(Some(entry)) }.boxed()
    });
    assert_eq!(join_all((0..8).map(|_| case.get())).await, [200; 8]);
    assert_eq!((case.logins(), case.observed()), (1, vec!["renewed".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_a_load_balancer_answers_in_between_does_not_end_a_series_of_rejections() {
    let case = Case::new(&Server::new(|number| Ok(if number % 2 == 0 { 401 } else { 503 })), fails);
    assert_eq!((case.get().await, case.get().await), (401, 503));
    advance(PATIENCE).await;
    assert_eq!((case.get().await, case.is_over()), (401, true));
    assert_eq!(case.observed(), ["rejected: no plugin"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_replaced_while_the_server_is_away_is_read_at_once() {
    let entry = Server::new(|_| Ok(200)).entry();
    let server = Server::new(|number| if number == 0 { Err("refused".into()) } else { Ok(401) });
    let case = Case::new(&server, move |known| {
        // The file that the kubeconfig names has another token: it has the same fingerprint.
        let entry = known.is_none().then(|| entry.clone());
        async move { Ok(entry) }.boxed()
    });
    assert_eq!((case.get().await, case.get().await, case.logins()), (0, 200, 2));
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_only_what_reads_is_sent_again_and_after_a_rejection_everything() {
    let cases = [
        (None, Method::GET, 200, 1),
        (None, Method::POST, 0, 0),
        (None, Method::PATCH, 0, 0),
        (Some(401), Method::GET, 200, 1),
        (Some(401), Method::POST, 200, 1),
    ];
    for (first, method, expected, again) in cases {
        let better = Server::new(|_| Ok(200));
        let entry = better.entry();
        let server = Server::new(move |_| first.ok_or_else(|| "reset".into()));
        let case = Case::new(&server, move |_| {
            let entry = entry.clone();
            async move { Ok(Some(entry)) }.boxed()
        });
        assert_eq!(case.request(method.clone()).await, expected, "{first:?} {method}");
        assert_eq!((server.requests(), better.requests()), (1, again), "{first:?} {method}");
        assert_eq!(case.get().await, 200, "the new client is used");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_changes_nothing_is_not_told_as_the_failure_of_the_one_before() {
    let server = Server::new(|number| if number == 1 { Err("refused".into()) } else { Ok(401) });
    let case = Case::new(&server, |known| match known {
        None => fails(known),
        Some(_) => async { Ok(None) }.boxed(),
    });
    assert_eq!(case.get().await, 401);
    assert_eq!(case.session.0.renewal.why_not().as_deref(), Some("no plugin"));
    assert_eq!(case.get().await, 0);
    assert_eq!(case.session.0.renewal.why_not(), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_plugin_is_given_and_prints_is_not_in_the_errors_that_handlers_see() {
    let plugin = || AuthError::AuthExecStart(std::io::Error::other("no such file"));
    let case = Case::new(&Server::new(move |_| Err(Box::new(plugin()))), fails);
    let error = case.session.client().send(Request::new(Body::empty())).await.unwrap_err();
    assert!(login_error::find(&error).is_none(), "{error}");
    assert!(error.to_string().contains("the credential plugin `aws` can't be started"), "{error}");
}
