//! A cluster in memory, with an operator at work on it.

use super::{
    api::{ApiServer, Exchange, Faults, Request, Served},
    error::Error,
    lines::{Line, Lines},
    supervisor::{Make, rest, supervise},
    trap::{OPERATOR, Point, Trap, TrappedWrites},
};
use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use korf::{__private::clock, Operator, RunError};
use kube::{Client, Resource, core::ApiResource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt, io, sync::Arc, time::Duration};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Dispatch, dispatcher};

/// When a test begins: 2026-01-01, midnight UTC.
const BEGINNING: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Within this time, everything that can be done without waiting is done.
const MOMENT: Duration = Duration::from_millis(1);
/// Who makes the requests of the test itself.
const USER: &str = "user";

/// A cluster in memory, with an operator at work on it.
///
/// It isn't async: each method runs the operator until there is nothing more to do without waiting, which takes a
/// millisecond of its time. Names are `name` for objects in the namespace `default` (and for those that are in none), or
/// `namespace/name`.
pub struct Cluster {
    server: ApiServer,
    lines: Lines,
    dispatch: Dispatch,
    trap: Trap,
    make: Make,
    running: Option<Running>,
    beginning: Instant,
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
    /// A cluster with this operator at work. It is made anew for each start; its handlers' kinds are served.
    ///
    /// # Errors
    /// What keeps the operator from starting.
    ///
    /// # Panics
    /// Within an async function: it brings a runtime of its own.
    pub fn of(operator: impl Fn() -> Operator + Send + Sync + 'static) -> Result<Self, RunError> {
        Self::trapped(Arc::new(operator), Trap::default())
    }

    pub(super) fn trapped(make: Make, trap: Trap) -> Result<Self, RunError> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.map_err(RunError::Signals)?;
        let beginning = runtime.block_on(async { Instant::now() });
        // All jitter comes from this thread's generator.
        fastrand::seed(0);
        let (server, lines) = (ApiServer::new(), Lines::default());
        let dispatch = lines.subscriber();
        server.serve(Served::of::<Event>());
        for handler in make().registry().handlers() {
            server.serve(Served::for_handlers(&handler.kind));
        }
        let mut cluster = Self { server, lines, dispatch, trap, make, running: None, beginning, runtime };
        cluster.set_faults(());
        cluster.start()?;
        Ok(cluster)
    }

    /// Serves another kind: one that handlers make objects of.
    pub fn serve(&mut self, kind: Served) {
        self.server.serve(kind);
        self.settle();
    }

    /// Starts the operator, unless it runs.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn start(&mut self) -> Result<(), RunError> {
        if self.running.is_none() {
            let stop = CancellationToken::new();
            let (make, server, trap) = (Arc::clone(&self.make), self.server.clone(), self.trap.clone());
            let running = supervise(make, server, trap, stop.clone());
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
    /// How it ended.
    pub fn stop(&mut self) -> Result<(), RunError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.stop.cancel();
        ended(self.run(running.task))
    }

    /// Ends the operator at once, as `kill -9` does. What it is about to do, it never does.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.task.abort();
            // The task was aborted: there is nothing that it could say.
            let _ = self.run(running.task);
            self.run(rest());
        }
    }

    /// Kills the operator and starts it again.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn restart(&mut self) -> Result<(), RunError> {
        self.kill();
        self.start()
    }

    /// Asks this function at each place where the operator can die, from now on; where it says so, the operator is killed
    /// and started again at once.
    pub fn die_where(&mut self, choice: impl FnMut(&Point) -> bool + Send + 'static) {
        self.trap.choose(choice);
    }

    /// The places where it has died so.
    pub fn deaths(&self) -> Vec<Point> {
        self.trap.deaths()
    }

    /// Lets time pass, and everything happen that is due, each at its time.
    pub fn advance(&mut self, time: Duration) {
        self.run(async move { sleep(time).await });
        self.settle();
    }

    /// Lets everything happen that can be done without waiting.
    pub fn settle(&mut self) {
        // Time goes on only when all tasks wait.
        self.run(async { sleep(MOMENT).await });
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.run(async { clock::now() })
    }

    /// Runs something async on the cluster's runtime and in its time: what talks to a fake of the user's own, say.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let _time = clock::control(BEGINNING, self.beginning);
        dispatcher::with_default(&self.dispatch, || self.runtime.block_on(work))
    }

    /// Creates an object, in the namespace `default` unless it names one.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn create<K>(&mut self, object: &K) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let namespace = object.meta().namespace.as_deref().unwrap_or("default");
        let path = self.collection::<K>(namespace);
        self.ask(Method::POST, &path, serde_json::to_value(object)?)
    }

    /// Changes an object by a merge patch; one that has a `status` alone goes to the status subresource, if the kind has
    /// one.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn patch<K>(&mut self, name: &str, patch: Value) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let path = self.path::<K>(name);
        let of_status = patch.as_object().is_some_and(|fields| fields.keys().all(|field| field == "status"));
        let subresource = of_status && self.server.has_status_subresource(&ApiResource::erase::<K>(&()));
        self.ask(Method::PATCH, &if subresource { format!("{path}/status") } else { path }, patch)
    }

    /// Changes an object as a person with an editor does: it is read, changed, and written as a whole.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn edit<K>(&mut self, name: &str, change: impl FnOnce(&mut K)) -> Result<K, Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let mut object: K = self.get(name)?;
        change(&mut object);
        let path = self.path::<K>(name);
        self.ask(Method::PUT, &path, serde_json::to_value(object)?)
    }

    /// Asks for the deletion of an object.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn delete<K: Resource<DynamicType = ()>>(&mut self, name: &str) -> Result<(), Error> {
        let path = self.path::<K>(name);
        self.ask::<Value>(Method::DELETE, &path, Value::Null).map(drop)
    }

    /// An object as it is now.
    ///
    /// # Errors
    /// There is none, or it doesn't fit the type.
    pub fn get<K: Resource<DynamicType = ()> + DeserializeOwned>(&self, name: &str) -> Result<K, Error> {
        let request = Request::new(USER, Method::GET, &self.path::<K>(name), Value::Null);
        let object =
            self.run(async { self.server.ask(request) }).map_err(|status| Error::refused(&status))?;
        Ok(K::deserialize(&*object)?)
    }

    /// Whether there is such an object.
    pub fn exists<K: Resource<DynamicType = ()>>(&self, name: &str) -> bool {
        let request = Request::new(USER, Method::GET, &self.path::<K>(name), Value::Null);
        self.run(async { self.server.ask(request) }).is_ok()
    }

    fn ask<T: DeserializeOwned>(&mut self, method: Method, path: &str, body: Value) -> Result<T, Error> {
        let server = self.server.clone();
        let request = Request::new(USER, method, path, body);
        let answer = self.run(async move { server.ask(request) });
        self.settle();
        let object = answer.map_err(|status| Error::refused(&status))?;
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

    /// The requests by which the operator, or one of its handlers, has changed something so far, or tried to.
    pub fn writes(&self) -> Vec<Exchange> {
        let all = self.server.exchanges().into_iter();
        all.filter(|exchange| exchange.request.who == OPERATOR && exchange.request.is_write()).collect()
    }

    /// All that the operator has logged so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.all()
    }

    /// What it has logged about one object.
    pub fn lines_of(&self, name: &str) -> Vec<String> {
        let in_default = format!("default/{name}");
        let about =
            |line: &Line| line.object.as_deref().is_some_and(|object| object == name || object == in_default);
        self.lines().into_iter().filter(about).map(|line| line.message).collect()
    }

    /// Whether it has logged this message about an object.
    pub fn said(&self, name: &str, message: &str) -> bool {
        self.lines_of(name).iter().any(|line| line == message)
    }

    /// Prints the log to the standard output, for tests that fail.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn print_log(&self) -> io::Result<()> {
        let text: String = self.lines().iter().map(|line| format!("{line}\n")).collect();
        io::Write::write_all(&mut io::stdout().lock(), text.as_bytes())
    }

    /// What goes wrong between the operator and the API server from now on; `()` is nothing.
    pub fn set_faults(&mut self, faults: impl Faults + 'static) {
        self.server.set_faults(TrappedWrites { trap: self.trap.clone(), faults });
    }

    /// The API server: its history can be [forgotten](ApiServer::compact) and its connections [cut](ApiServer::cut).
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    /// A client of the API server, to be used within [`run`](Self::run).
    pub fn client(&self) -> Client {
        let server = self.server.clone();
        self.run(async move { server.client(USER) })
    }
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
