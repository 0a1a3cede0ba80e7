//! Watches, with bookmarks and faults.

use super::{
    answer::Rejection,
    changes::Changes,
    faults::EventDelivery,
    selector::Selector,
    server::ApiServer,
    service::reset,
    store::{Change, Store, Stored},
    target::Collection,
};
use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};

/// The time of the last bookmark before the end of a watch.
const BOOKMARK: Duration = Duration::from_secs(2);
/// The longest time for which an event is held back.
const HELD: Duration = Duration::from_secs(1);

/// One event of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub what: &'static str,
    /// The object, as it is sent.
    pub object: Arc<Value>,
    /// Whether it belongs to the initial listing of the watch, and not to a change.
    pub listed: bool,
}

impl WatchEvent {
    fn line(&self) -> Bytes {
        format!("{}\n", json!({"type": self.what, "object": *self.object})).into()
    }

    fn expired(asked: u64, oldest: u64) -> Self {
        Self::new("ERROR", Arc::new(Rejection::expired(asked, oldest).status()))
    }

    fn new(what: &'static str, object: Arc<Value>) -> Self {
        Self { what, object, listed: false }
    }

    /// The event of a change in a watch with a selector: an object that no longer matches counts as deleted.
    fn of(change: Change, selector: &Selector) -> Option<Self> {
        let seen = |object: Option<Stored>| object.filter(|object| selector.admits(object));
        match (seen(change.before), seen(change.after)) {
            (None, Some(object)) => Some(Self::new("ADDED", object)),
            (Some(_), Some(object)) => Some(Self::new("MODIFIED", object)),
            (Some(last), None) => {
                let mut object = (*last).clone();
                super::meta::set(&mut object, "resourceVersion", change.revision.to_string());
                Some(Self::new("DELETED", Arc::new(object)))
            }
            (None, None) => None,
        }
    }
}

/// An open watch.
pub(super) struct OpenWatch {
    server: ApiServer,
    changes: Arc<Changes>,
    /// The changes of the server that it has looked at.
    looked_at: u64,
    /// The number of breaks when it was opened: the next one ends it.
    breaks: u64,
    collection: Collection,
    selector: Selector,
    /// All changes up to this one are sent or queued.
    cursor: u64,
    queue: VecDeque<WatchEvent>,
    held: Option<(WatchEvent, Instant)>,
    bookmarks: bool,
    bookmark_at: Option<Instant>,
    end_at: Option<Instant>,
    over: bool,
}

impl std::fmt::Debug for OpenWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenWatch")
            .field("collection", &self.collection)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

/// The start of a watch.
enum WatchStart {
    /// The current objects.
    Now { marked: bool },
    /// After a version.
    After(u64),
}

impl WatchStart {
    fn of(query: &BTreeMap<String, String>) -> Result<Self, Rejection> {
        let parameter = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        if parameter("sendInitialEvents") == "true" {
            if parameter("resourceVersionMatch") != "NotOlderThan" {
                return Err(Rejection::invalid_list_options(
                    "resourceVersionMatch",
                    "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ));
            }
            return Ok(Self::Now { marked: true });
        }
        match parameter("resourceVersion") {
            "" | "0" => Ok(Self::Now { marked: false }),
            version => match version.parse() {
                Ok(version) => Ok(Self::After(version)),
                Err(_) => Err(Rejection::internal_error(format!(
                    "resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid \
                     syntax"
                ))),
            },
        }
    }
}

impl OpenWatch {
    pub fn open(
        server: ApiServer,
        changes: Arc<Changes>,
        store: &Store,
        collection: Collection,
        query: &BTreeMap<String, String>,
    ) -> Result<Self, Rejection> {
        let beginning = WatchStart::of(query)?;
        let seconds = query.get("timeoutSeconds").and_then(|text| text.parse().ok());
        let end_at = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let bookmarks = query.get("allowWatchBookmarks").is_some_and(|allowed| allowed == "true");
        let mut watch = Self {
            server,
            breaks: changes.breaks(),
            looked_at: changes.count(),
            changes,
            collection,
            selector: Selector::of(query)?,
            cursor: store.revision(),
            queue: VecDeque::new(),
            held: None,
            bookmarks,
            bookmark_at: end_at.filter(|_| bookmarks).map(|end| end - BOOKMARK),
            end_at,
            over: false,
        };
        watch.begin(beginning, store)?;
        Ok(watch)
    }

    fn begin(&mut self, beginning: WatchStart, store: &Store) -> Result<(), Rejection> {
        match beginning {
            WatchStart::After(version) => self.cursor = version,
            WatchStart::Now { marked } => {
                let objects = store
                    .objects(&self.collection)?
                    .into_values()
                    .filter(|object| self.selector.admits(object));
                self.queue.extend(objects.map(|object| WatchEvent { what: "ADDED", object, listed: true }));
                if marked && self.bookmarks {
                    let mark = self.bookmark(store, json!({"k8s.io/initial-events-end": "true"}))?;
                    self.queue.push_back(mark);
                }
            }
        }
        Ok(())
    }

    fn bookmark(&self, store: &Store, annotations: Value) -> Result<WatchEvent, Rejection> {
        let resource = &store.served(&self.collection.group_resource)?.resource;
        let mut object = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {"resourceVersion": self.cursor.to_string()},
        });
        if !annotations.is_null() {
            object["metadata"]["annotations"] = annotations;
        }
        Ok(WatchEvent::new("BOOKMARK", Arc::new(object)))
    }

    /// The events as they are sent, one per line.
    pub fn lines(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::unfold(self, |mut watch| async {
            let line = watch.next().await?;
            Some((line, watch))
        })
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if self.over {
                return None;
            }
            self.looked_at = self.changes.count();
            if self.changes.breaks() != self.breaks {
                return Some(Err(self.break_off()));
            }
            self.poll_store();
            let Some(event) = self.queue.pop_front() else {
                self.wait().await;
                continue;
            };
            if let Some(line) = self.deliver(event).await {
                return Some(line);
            }
        }
    }

    fn break_off(&mut self) -> io::Error {
        self.over = true;
        reset()
    }

    /// Queues new changes.
    fn poll_store(&mut self) {
        let server = self.server.clone();
        let store = &server.state().store;
        let Ok(oldest) = store.oldest(&self.collection.group_resource) else {
            self.over = true;
            return;
        };
        if self.cursor < oldest {
            self.queue.push_back(WatchEvent::expired(self.cursor, oldest));
            self.cursor = u64::MAX;
            return;
        }
        let changes = store.changes(&self.collection, self.cursor);
        self.cursor = self.cursor.max(store.revision());
        self.queue.extend(changes.into_iter().filter_map(|change| WatchEvent::of(change, &self.selector)));
        if self.bookmark_at.is_some_and(|at| at <= Instant::now()) {
            self.bookmark_at = None;
            self.queue.extend(self.bookmark(store, Value::Null));
        }
    }

    /// Waits until there may be an event.
    async fn wait(&mut self) {
        let held_until = self.held.as_ref().map(|(_, until)| *until);
        tokio::select! {
            biased;
            () = self.changes.after(self.looked_at) => {}
            () = at(held_until) => self.queue.extend(self.held.take().map(|(event, _)| event)),
            () = at(self.bookmark_at) => {}
            () = at(self.end_at) => self.over = true,
        }
    }

    /// Sends an event, unless a fault prevents it.
    async fn deliver(&mut self, event: WatchEvent) -> Option<io::Result<Bytes>> {
        if event.what == "ERROR" {
            self.over = true;
            return Some(Ok(event.line()));
        }
        // A deletion comes last, even after a delayed event.
        if event.what == "DELETED"
            && let Some((held, _)) = self.held.take()
        {
            self.queue.push_front(event);
            return Some(Ok(held.line()));
        }
        match self.server.event_delivery(&event) {
            EventDelivery::Pass => {}
            EventDelivery::Delay(time) => sleep(time).await,
            EventDelivery::Duplicate => return Some(Ok([event.line(), event.line()].concat().into())),
            EventDelivery::Hold if self.held.is_none() => {
                self.held = Some((event, Instant::now() + HELD));
                return None;
            }
            EventDelivery::Hold => {}
            EventDelivery::Lose => return None,
            EventDelivery::Break => return Some(Err(self.break_off())),
            EventDelivery::End => {
                self.over = true;
                return None;
            }
            EventDelivery::Expire => {
                self.over = true;
                return Some(Ok(WatchEvent::expired(self.cursor, self.cursor).line()));
            }
        }
        let line = event.line();
        let held = self.held.take().map(|(event, _)| event.line());
        Some(Ok(held.map_or(line.clone(), |held| [line, held].concat().into())))
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
