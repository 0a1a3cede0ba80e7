//! Activities that block their thread: a driver without `async`, a program that is waited for.

use crate::lights::Light;
use korf::{Operator, handler::Registry, on_cleanup, on_create, on_startup};
use korf_testing::api::{ApiServer, ServedKind};
use std::{
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What is waited for comes at once; where it doesn't, the test fails after this time.
const LONG: Duration = Duration::from_secs(20);

/// A function that tells that it begins, and blocks its thread until the sender is dropped.
#[derive(Clone)]
struct Blocker(UnboundedSender<()>, Arc<Mutex<Receiver<()>>>);

impl Blocker {
    fn new() -> (Self, UnboundedReceiver<()>, mpsc::Sender<()>) {
        let ((begins, begun), (release, released)) = (unbounded_channel(), mpsc::channel());
        (Self(begins, Arc::new(Mutex::new(released))), begun, release)
    }

    fn block(&self) {
        self.0.send(()).unwrap();
        let _ = self.1.lock().unwrap().recv();
    }
}

fn operator() -> Operator {
    let server = ApiServer::new();
    server.serve(ServedKind::with_definition::<Light>());
    let mut operator = Operator::with_registry("lamps", Registry::default())
        .client(server.client("lamps"))
        .handler(on_create::<Light>("handle").run(async || {}));
    operator.settings_mut().stopping.grace = Duration::from_millis(200);
    operator
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_start_up_handler_that_blocks_its_thread_does_not_keep_the_operator_from_stopping() {
    let (blocker, mut begun, _release) = Blocker::new();
    let stop = CancellationToken::new();
    let blocks = on_startup("blocks").run(move || {
        let blocker = blocker.clone();
        async move { blocker.block() }
    });
    let running = tokio::spawn(operator().activity(blocks).run_until(stop.clone()));
    begun.recv().await.unwrap();
    stop.cancel();
    timeout(LONG, running).await.expect("it stops at once").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_clean_up_handler_that_blocks_its_thread_keeps_neither_the_others_nor_the_grace_from_ending() {
    let (blocker, mut begun, _release) = Blocker::new();
    let (said, mut heard) = unbounded_channel();
    let blocks = on_cleanup("blocks").run(move || {
        let blocker = blocker.clone();
        async move { blocker.block() }
    });
    let later = on_cleanup("later").run(async move || said.send(()).unwrap());
    let running = operator().activity(blocks).activity(later).spawn();
    assert!(running.ready().await);
    let stopping = tokio::spawn(running.stop());
    begun.recv().await.unwrap();
    timeout(LONG, heard.recv()).await.expect("the other is called").unwrap();
    timeout(LONG, stopping).await.expect("it ends with the grace").unwrap().unwrap();
}
