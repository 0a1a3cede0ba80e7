//! A cluster in memory with a running operator.

use super::{
    api::{ApiServer, Exchange, Faults, Request, ServedKind},
    error::Error,
    injector::{
        CrashInjector, CrashPoint, CrashingWrites, KnownHealth, Make, OPERATOR, drop_aborted_tasks, supervise,
    },
    lines::{Line, Lines},
};
use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use korf::{
    __private::{HealthSite, clock},
    Operator, RunError,
};
use kube::{Client, Resource, core::ApiResource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Dispatch, dispatcher};

/// The start of a test: 2026-01-01, midnight UTC.
const START: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Enough time for everything that needs no waiting.
const MOMENT: Duration = Duration::from_millis(1);
/// The client of the test itself.
const USER: &str = "user";

/// A cluster in memory with a running operator.
///
/// It isn't async: each method runs the operator until it has nothing left to do but wait, which takes a millisecond of
/// its time. Objects are named `name` if they are in the namespace `default` or cluster-scoped, and `namespace/name`
/// otherwise.
pub struct Cluster {
    server: ApiServer,
    lines: Lines,
    dispatch: Dispatch,
    injector: CrashInjector,
    make: Make,
    health: KnownHealth,
    running: Option<Running>,
    started: Instant,
    runtime: Runtime,
}

struct Running {
    task: JoinHandle<Result<(), RunError>>,
    stop: CancellationToken,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster with this operator, created again for each start. The kinds of its handlers are served, and all
    /// built-in ones.
    ///
    /// # Errors
    /// The operator can't start.
    ///
    /// # Panics
    /// In an async function, as it has its own runtime: a test of it is a `#[test]`, not a `#[tokio::test]`.
    #[track_caller]
    pub fn of(operator: impl Fn() -> Operator + Send + Sync + 'static) -> Result<Self, RunError> {
        Self::with_injector(Arc::new(operator), CrashInjector::default())
    }

    #[track_caller]
    pub(super) fn with_injector(make: Make, injector: CrashInjector) -> Result<Self, RunError> {
        assert_sync();
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.map_err(RunError::Signals)?;
        let started = runtime.block_on(async { Instant::now() });
        // All jitter comes from this thread's generator.
        fastrand::seed(0);
        let (server, lines) = (ApiServer::new(), Lines::default());
        let dispatch = lines.subscriber();
        server.serve(ServedKind::of::<Event>());
        for handler in make().registry().handlers().iter().filter(|handler| !handler.kind.is_any()) {
            server.serve(ServedKind::for_handlers(&handler.kind));
        }
        let mut cluster = Self {
            server,
            lines,
            dispatch,
            injector,
            make,
            health: KnownHealth::default(),
            running: None,
            started,
            runtime,
        };
        cluster.set_faults(());
        cluster.start()?;
        Ok(cluster)
    }

    /// Serves another kind, whose objects handlers create, for example. The kinds of handlers and the built-in kinds of
    /// Kubernetes are served already.
    pub fn serve(&mut self, kind: ServedKind) {
        self.server.serve(kind);
        self.settle();
    }

    /// Starts the operator, unless it is running.
    ///
    /// # Errors
    /// It can't start.
    pub fn start(&mut self) -> Result<(), RunError> {
        if self.running.is_none() {
            let stop = CancellationToken::new();
            let (make, server, injector) =
                (Arc::clone(&self.make), self.server.clone(), self.injector.clone());
            let running = supervise(make, server, injector, self.health.clone(), stop.clone());
            let task = self.runtime.spawn(running);
            self.running = Some(Running { task, stop });
            self.settle();
        }
        match self.running.take_if(|running| running.task.is_finished()) {
            Some(running) => ended(self.run(running.task)),
            None => Ok(()),
        }
    }

    /// Tells the operator to stop, as Kubernetes does, and waits until it has.
    ///
    /// # Errors
    /// It ended with an error.
    pub fn stop(&mut self) -> Result<(), RunError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.stop.cancel();
        ended(self.run(running.task))
    }

    /// Ends the operator at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.task.abort();
            // The task was aborted: it has no result.
            let _ = self.run(running.task);
            self.run(drop_aborted_tasks());
        }
    }

    /// Kills the operator and starts it again.
    ///
    /// # Errors
    /// It can't start.
    pub fn restart(&mut self) -> Result<(), RunError> {
        self.kill();
        self.start()
    }

    /// Calls this function at each point where the operator can crash, from now on; where it returns true, the operator is
    /// killed and restarted at once.
    pub fn crash_where(&mut self, choice: impl FnMut(&CrashPoint) -> bool + Send + 'static) {
        self.injector.choose(choice);
    }

    /// The points where it has crashed.
    pub fn crashes(&self) -> Vec<CrashPoint> {
        self.injector.crashes()
    }

    /// Advances the time; everything that becomes due happens at its time.
    pub fn advance(&mut self, time: Duration) {
        self.run(async move { sleep(time).await });
        self.settle();
    }

    /// Runs until nothing is left to do without waiting.
    pub fn settle(&mut self) {
        // Time advances only when all tasks wait.
        self.run(async { sleep(MOMENT).await });
    }

    /// What the operator answers now when it is asked, at `/livez`, `/readyz?verbose` or `/metrics`, say: the status code, and
    /// the text. No address is needed for that.
    ///
    /// ```
    /// # use k8s_openapi::api::core::v1::ConfigMap;
    /// # use korf::{Operator, handler::Registry};
    /// # use korf_testing::Cluster;
    /// # let handlers = || Registry::from_iter([korf::on_create::<ConfigMap>("greet").run(async || ())]);
    /// # let cluster = Cluster::of(move || Operator::with_registry("greeter", handlers()))?;
    /// assert_eq!(cluster.health("/readyz"), (200, "ok".to_owned()));
    /// # Ok::<_, korf::RunError>(())
    /// ```
    ///
    /// # Panics
    /// That is no path.
    #[track_caller]
    pub fn health(&self, path: &str) -> (u16, String) {
        let request = http::Request::get(path).body(()).expect("a path, and perhaps a query").into_parts().0;
        let (health, metrics) = self.health.get();
        let site = HealthSite { has_own: true, probes: Some("/healthz".to_owned()), metrics };
        let answer = self.run(async move { health.answer(&site, &request).await });
        (answer.status.as_u16(), answer.text)
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.run(async { clock::now() })
    }

    /// Runs a future on the cluster's runtime and in its time: one that uses your own fake, for example.
    ///
    /// # Panics
    /// Within another future, as all methods of a cluster do.
    #[track_caller]
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        assert_sync();
        let _time = clock::control(START, self.started);
        dispatcher::with_default(&self.dispatch, || self.runtime.block_on(work))
    }

    /// Creates an object, in the namespace `default` unless it names one.
    ///
    /// # Errors
    /// The API server rejects the request.
    pub fn create<K>(&mut self, object: &K) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let namespace = object.meta().namespace.as_deref().unwrap_or("default");
        let path = self.collection::<K>(namespace);
        self.ask(Method::POST, &path, serde_json::to_value(object)?)
    }

    /// Changes an object by a merge patch. A patch of the `status` only goes to the status subresource, if the kind has
    /// one.
    ///
    /// # Errors
    /// The API server rejects the request.
    pub fn patch<K>(&mut self, name: &str, patch: Value) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let path = self.path::<K>(name);
        let of_status = patch.as_object().is_some_and(|fields| fields.keys().all(|field| field == "status"));
        let subresource = of_status && self.server.has_status_subresource(&ApiResource::erase::<K>(&()));
        self.ask(Method::PATCH, &if subresource { format!("{path}/status") } else { path }, patch)
    }

    /// Changes an object as an editor does: it is read, changed, and written as a whole.
    ///
    /// # Errors
    /// The API server rejects the request.
    pub fn edit<K>(&mut self, name: &str, change: impl FnOnce(&mut K)) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let mut object: K = self.get(name)?;
        change(&mut object);
        let path = self.path::<K>(name);
        self.ask(Method::PUT, &path, serde_json::to_value(object)?)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// The API server rejects the request.
    pub fn delete<K: Resource<DynamicType = ()>>(&mut self, name: &str) -> Result<(), Error> {
        let path = self.path::<K>(name);
        self.ask::<Value>(Method::DELETE, &path, Value::Null).map(drop)
    }

    /// The current state of an object.
    ///
    /// # Errors
    /// It doesn't exist, or can't be decoded.
    pub fn get<K: Resource<DynamicType = ()> + DeserializeOwned>(&self, name: &str) -> Result<K, Error> {
        let request = Request::new(USER, Method::GET, &self.path::<K>(name), Value::Null);
        let object =
            self.run(async { self.server.ask(request) }).map_err(|status| Error::rejected(&status))?;
        Ok(K::deserialize(&*object)?)
    }

    /// Whether an object exists.
    pub fn exists<K: Resource<DynamicType = ()>>(&self, name: &str) -> bool {
        let request = Request::new(USER, Method::GET, &self.path::<K>(name), Value::Null);
        self.run(async { self.server.ask(request) }).is_ok()
    }

    fn ask<T: DeserializeOwned>(&mut self, method: Method, path: &str, body: Value) -> Result<T, Error> {
        let server = self.server.clone();
        let request = Request::new(USER, method, path, body);
        let answer = self.run(async move { server.ask(request) });
        self.settle();
        let object = answer.map_err(|status| Error::rejected(&status))?;
        Ok(T::deserialize(&*object)?)
    }

    fn collection<K: Resource<DynamicType = ()>>(&self, namespace: &str) -> String {
        let namespaced = self.server.is_namespaced(&ApiResource::erase::<K>(&()));
        K::url_path(&(), Some(namespace).filter(|_| namespaced))
    }

    fn path<K: Resource<DynamicType = ()>>(&self, name: &str) -> String {
        let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
        format!("{}/{name}", self.collection::<K>(namespace))
    }

    /// All writes of the operator and its handlers so far, including failed ones.
    pub fn writes(&self) -> Vec<Exchange> {
        let all = self.server.exchanges().into_iter();
        all.filter(|exchange| exchange.request.client == OPERATOR && exchange.request.is_write()).collect()
    }

    /// All requests of the operator and its handlers so far, including reads.
    pub fn requests(&self) -> Vec<Exchange> {
        self.server.exchanges().into_iter().filter(|exchange| exchange.request.client == OPERATOR).collect()
    }

    /// All lines of the log so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.all()
    }

    /// The messages about one object.
    pub fn lines_about(&self, name: &str) -> Vec<String> {
        let in_default = format!("default/{name}");
        let about =
            |line: &Line| line.object.as_deref().is_some_and(|object| object == name || object == in_default);
        self.lines().into_iter().filter(about).map(|line| line.message).collect()
    }

    /// Whether a message about an object was logged that contains this text. In a test,
    /// [`assert_logged`](Self::assert_logged) says more.
    pub fn logged(&self, name: &str, message: &str) -> bool {
        self.lines_about(name).iter().any(|line| line.contains(message))
    }

    /// Asserts that a message about an object was logged that contains this text.
    ///
    /// # Panics
    /// There is no such message. The panic shows the whole log.
    #[track_caller]
    pub fn assert_logged(&self, name: &str, message: &str) {
        assert!(
            self.logged(name, message),
            "no message about {name} contains {message:?}. The log:\n{}",
            self.log_text()
        );
    }

    /// Prints the log to the standard output, which the test runner shows for tests that fail.
    #[expect(clippy::print_stdout, reason = "the test runner captures what is printed by `print!` alone")]
    pub fn print_log(&self) {
        print!("{}", self.log_text());
    }

    fn log_text(&self) -> String {
        self.lines().iter().map(|line| format!("{line}\n")).collect()
    }

    /// Sets the faults between the operator and the API server from now on; `()` is none.
    pub fn set_faults(&mut self, faults: impl Faults + 'static) {
        self.server.set_faults(CrashingWrites { injector: self.injector.clone(), faults });
    }

    /// The API server, which can [forget its history](ApiServer::compact) and
    /// [break its watches](ApiServer::break_watches).
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    /// A client of the API server, to be used within [`run`](Self::run).
    pub fn client(&self) -> Client {
        let server = self.server.clone();
        self.run(async move { server.client(USER) })
    }
}

/// Fails where a cluster can't be used, in words that say what to do.
#[track_caller]
fn assert_sync() {
    assert!(
        Handle::try_current().is_err(),
        "a `Cluster` has its own async runtime, so it can't be used in async code. Write the test with `#[test]` and a \
         plain `fn`, instead of `#[tokio::test]` and an `async fn`. `Cluster::run` runs async code of the \
         test; within that, only clients work."
    );
}

fn ended(how: Result<Result<(), RunError>, tokio::task::JoinError>) -> Result<(), RunError> {
    match how {
        Ok(ended) => ended,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ok(()),
        },
    }
}
