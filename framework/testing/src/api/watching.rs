//! Watches.

use super::{
    answer::Refusal,
    fault::Passage,
    path::Place,
    selection::Selection,
    server::ApiServer,
    service::reset,
    store::{Change, Store, Stored},
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
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// How long before its end a watch tells how far it has come.
const BOOKMARK: Duration = Duration::from_secs(2);
/// How long an event that is held back waits for another one.
const HELD: Duration = Duration::from_secs(1);

/// One event of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub what: &'static str,
    /// The object, as it is sent.
    pub object: Arc<Value>,
    /// Whether it is of the listing that a watch may begin with, and not of a change.
    pub listed: bool,
}

impl WatchEvent {
    fn line(&self) -> Bytes {
        format!("{}\n", json!({"type": self.what, "object": *self.object})).into()
    }

    fn expired(asked: u64, oldest: u64) -> Self {
        Self::new("ERROR", Arc::new(Refusal::expired(asked, oldest).status()))
    }

    fn new(what: &'static str, object: Arc<Value>) -> Self {
        Self { what, object, listed: false }
    }

    /// What a watch of these objects shows of a change: an object that is no longer one of them is as good as deleted.
    fn of(change: Change, selection: &Selection) -> Option<Self> {
        let seen = |object: Option<Stored>| object.filter(|object| selection.admits(object));
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
pub(super) struct Watching {
    server: ApiServer,
    news: watch::Receiver<u64>,
    /// The number of the last cut when it was opened: a later one is its end.
    cuts: u64,
    place: Place,
    selection: Selection,
    /// All changes up to this one are sent, or wait in line.
    cursor: u64,
    line: VecDeque<WatchEvent>,
    held: Option<(WatchEvent, Instant)>,
    bookmarks: bool,
    bookmark_at: Option<Instant>,
    end_at: Option<Instant>,
    over: bool,
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching")
            .field("place", &self.place)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

/// From where on a watch is to tell.
enum Beginning {
    /// From what is there.
    Now { marked: bool },
    /// From a version.
    After(u64),
}

impl Beginning {
    fn of(query: &BTreeMap<String, String>) -> Result<Self, Refusal> {
        let parameter = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        if parameter("sendInitialEvents") == "true" {
            if parameter("resourceVersionMatch") != "NotOlderThan" {
                return Err(Refusal::invalid_list_options(
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
                Err(_) => Err(Refusal::broken(format!(
                    "resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid \
                     syntax"
                ))),
            },
        }
    }
}

impl Watching {
    pub fn open(
        server: ApiServer,
        news: watch::Receiver<u64>,
        store: &Store,
        place: Place,
        query: &BTreeMap<String, String>,
    ) -> Result<Self, Refusal> {
        let beginning = Beginning::of(query)?;
        let seconds = query.get("timeoutSeconds").and_then(|text| text.parse().ok());
        let end_at = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let bookmarks = query.get("allowWatchBookmarks").is_some_and(|allowed| allowed == "true");
        let cuts = *news.borrow();
        let mut watching = Self {
            server,
            cuts,
            news,
            place,
            selection: Selection::of(query.get("labelSelector").map(String::as_str)),
            cursor: store.revision(),
            line: VecDeque::new(),
            held: None,
            bookmarks,
            bookmark_at: end_at.filter(|_| bookmarks).map(|end| end - BOOKMARK),
            end_at,
            over: false,
        };
        watching.begin(beginning, store)?;
        Ok(watching)
    }

    fn begin(&mut self, beginning: Beginning, store: &Store) -> Result<(), Refusal> {
        match beginning {
            Beginning::After(version) => self.cursor = version,
            Beginning::Now { marked } => {
                let objects =
                    store.objects(&self.place)?.into_values().filter(|object| self.selection.admits(object));
                self.line.extend(objects.map(|object| WatchEvent { what: "ADDED", object, listed: true }));
                if marked && self.bookmarks {
                    let mark = self.bookmark(store, json!({"k8s.io/initial-events-end": "true"}))?;
                    self.line.push_back(mark);
                }
            }
        }
        Ok(())
    }

    fn bookmark(&self, store: &Store, annotations: Value) -> Result<WatchEvent, Refusal> {
        let resource = &store.served(&self.place.family)?.resource;
        let mut object = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {"resourceVersion": self.cursor.to_string()},
        });
        if !annotations.is_null() {
            object["metadata"]["annotations"] = annotations;
        }
        Ok(WatchEvent::new("BOOKMARK", Arc::new(object)))
    }

    /// The events as they are sent, one a line.
    pub fn lines(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::unfold(self, |mut watching| async {
            let line = watching.next().await?;
            Some((line, watching))
        })
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if self.over {
                return None;
            }
            if *self.news.borrow_and_update() != self.cuts {
                return Some(Err(self.break_off()));
            }
            self.look();
            let Some(event) = self.line.pop_front() else {
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

    /// Puts what is new in line.
    fn look(&mut self) {
        let server = self.server.clone();
        let store = &server.state().store;
        let Ok(oldest) = store.oldest(&self.place.family) else {
            self.over = true;
            return;
        };
        if self.cursor < oldest {
            self.line.push_back(WatchEvent::expired(self.cursor, oldest));
            self.cursor = u64::MAX;
            return;
        }
        let news = store.changes(&self.place, self.cursor);
        self.cursor = self.cursor.max(store.revision());
        self.line.extend(news.into_iter().filter_map(|change| WatchEvent::of(change, &self.selection)));
        if self.bookmark_at.is_some_and(|at| at <= Instant::now()) {
            self.bookmark_at = None;
            self.line.extend(self.bookmark(store, Value::Null));
        }
    }

    /// Waits until there may be something to say.
    async fn wait(&mut self) {
        let held_until = self.held.as_ref().map(|(_, until)| *until);
        tokio::select! {
            biased;
            _ = self.news.changed() => {}
            () = at(held_until) => self.line.extend(self.held.take().map(|(event, _)| event)),
            () = at(self.bookmark_at) => {}
            () = at(self.end_at) => self.over = true,
        }
    }

    /// Sends an event, as far as the faults let it through.
    async fn deliver(&mut self, event: WatchEvent) -> Option<io::Result<Bytes>> {
        if event.what == "ERROR" {
            self.over = true;
            return Some(Ok(event.line()));
        }
        // Whatever is late, an object's end comes last.
        if event.what == "DELETED"
            && let Some((held, _)) = self.held.take()
        {
            self.line.push_front(event);
            return Some(Ok(held.line()));
        }
        match self.server.passage(&event) {
            Passage::Pass => {}
            Passage::Delay(time) => sleep(time).await,
            Passage::Duplicate => return Some(Ok([event.line(), event.line()].concat().into())),
            Passage::Hold if self.held.is_none() => {
                self.held = Some((event, Instant::now() + HELD));
                return None;
            }
            Passage::Hold => {}
            Passage::Lose => return None,
            Passage::Break => return Some(Err(self.break_off())),
            Passage::End => {
                self.over = true;
                return None;
            }
            Passage::Expire => {
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
