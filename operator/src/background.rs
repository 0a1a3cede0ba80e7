//! Background: work for an object that may take hours, and goes on between the attempts of its handlers.
//!
//! A handler that waited for it would keep a worker busy, and its object from being deleted. So it waits for a moment, because
//! most work is over then; after that it fails temporarily, and is called again when the work is over.
//!
//! Nothing depends on this memory but the errors in it. What a process of before was doing, the next one finds in the database.

use crate::{
    error::{DatabaseError, TableError},
    marker::Owner,
    spec::Table,
};
use std::{
    collections::HashMap,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};
use tracing::Instrument;

/// The time for which a handler waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The work for all objects: for each, one piece at most.
#[derive(Debug)]
pub struct Background {
    works: Mutex<HashMap<Key, Work>>,
    patience: Duration,
    places: Arc<Semaphore>,
}

/// What owners [match](Owner::matches) by.
type Key = (String, String, String);

#[derive(Debug)]
struct Work {
    spec: Table,
    what: Arc<str>,
    task: JoinHandle<Result<(), TableError>>,
    end: Arc<Mutex<End>>,
}

/// The end of a work, and who waits for it.
enum End {
    /// It comes, and this is called then.
    Awaited(Option<Box<dyn FnOnce() + Send>>),
    /// It was.
    Over,
}

/// What has become of the work for an object.
#[derive(Debug)]
pub enum Progress {
    /// It goes on: what is being done, in words.
    Going(Arc<str>),
    /// It is over.
    Over(Result<(), TableError>),
}

impl Background {
    /// Room for this many pieces of work at the same time. Others wait for their turn.
    pub fn new(places: usize) -> Self {
        Self { works: Mutex::default(), patience: PATIENCE, places: Arc::new(Semaphore::new(places)) }
    }

    /// Begins work for an object, in place of what goes on for it. It is for this spec.
    pub fn begin(
        &self,
        owner: &Owner,
        spec: &Table,
        what: &str,
        work: impl Future<Output = Result<(), TableError>> + Send + 'static,
    ) {
        let end = Arc::new(Mutex::new(End::Awaited(None)));
        let (places, over) = (Arc::clone(&self.places), Arc::clone(&end));
        let task = async move {
            let place = places.acquire_owned().await;
            let result = work.await;
            drop(place);
            let awaited = mem::replace(&mut *lock(&over), End::Over);
            if let End::Awaited(Some(call)) = awaited {
                call();
            }
            result
        };
        let task = tokio::spawn(task.in_current_span());
        let mut works = lock(&self.works);
        // Whose object is gone, nobody asks for. Where somebody does, the database has the answer, too.
        works.retain(|_, work| !work.task.is_finished());
        if let Some(before) =
            works.insert(key(owner), Work { spec: spec.clone(), what: what.into(), task, end })
        {
            before.task.abort();
        }
    }

    /// Waits a moment for the work for an object, if there is any. What is over is forgotten, and what is for another spec is
    /// given up.
    pub async fn look(&self, owner: &Owner, spec: &Table) -> Option<Progress> {
        let mut work = lock(&self.works).remove(&key(owner))?;
        if work.spec != *spec {
            work.task.abort();
            return None;
        }
        match timeout(self.patience, &mut work.task).await {
            Ok(Ok(result)) => return Some(Progress::Over(result)),
            Ok(Err(_)) => return Some(Progress::Over(Err(DatabaseError::interrupted().into()))),
            Err(_) => {}
        }
        let what = Arc::clone(&work.what);
        lock(&self.works).insert(key(owner), work);
        Some(Progress::Going(what))
    }

    /// Calls this once the work for an object is over, and at once if there is none.
    pub fn when_over(&self, owner: &Owner, call: impl FnOnce() + Send + 'static) {
        let end = lock(&self.works).get(&key(owner)).map(|work| Arc::clone(&work.end));
        if let Some(end) = end
            && let End::Awaited(awaited) = &mut *lock(&end)
        {
            *awaited = Some(Box::new(call));
            return;
        }
        call();
    }

    /// Gives up the work for an object. The database may go on with the statement that it has been given.
    pub fn give_up(&self, owner: &Owner) {
        if let Some(work) = lock(&self.works).remove(&key(owner)) {
            work.task.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(owner: &Owner) -> Key {
    (owner.cluster.clone(), owner.namespace.clone(), owner.name.clone())
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Awaited(_) => "Awaited",
            Self::Over => "Over",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use tokio::{sync::Notify, task::yield_now};

    fn owner(name: &str) -> Owner {
        Owner { cluster: "c".into(), namespace: "n".into(), name: name.into(), uid: "u".into() }
    }

    fn spec(column: &str) -> Table {
        Table::from_spec(Some(&json!({"tableName": "t", "columns": [{column: "integer"}]}))).unwrap()
    }

    fn counter() -> (Arc<AtomicU32>, impl Fn() + Send + Clone + 'static) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        (count, move || {
            counted.fetch_add(1, SeqCst);
        })
    }

    /// One in which nobody waits.
    fn impatient(places: usize) -> Background {
        Background { patience: Duration::ZERO, ..Background::new(places) }
    }

    /// Work that ends with a failure when it is told to.
    fn work() -> (Arc<Notify>, impl Future<Output = Result<(), TableError>> + Send + 'static) {
        let end = Arc::new(Notify::new());
        let ended = Arc::clone(&end);
        (end, async move {
            ended.notified().await;
            Err(TableError::NoSchema)
        })
    }

    async fn look(background: &Background, name: &str) -> String {
        match background.look(&owner(name), &spec("a")).await {
            None => "none".to_owned(),
            Some(Progress::Going(what)) => format!("{what} goes on"),
            Some(Progress::Over(result)) => format!("over: {}", result.is_ok()),
        }
    }

    /// Lets all tasks do what they can.
    async fn yield_for_long() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn short_work_is_over_at_the_first_look() {
        let background = Background::new(1);
        background.begin(&owner("a"), &spec("a"), "it", async { Ok(()) });
        assert_eq!(look(&background, "a").await, "over: true");
        assert_eq!(look(&background, "a").await, "none", "it is forgotten");
    }

    #[tokio::test]
    async fn long_work_goes_on_and_tells_its_end_once() {
        let (background, (count, call), (end, work)) = (impatient(1), counter(), work());
        background.begin(&owner("a"), &spec("a"), "it", work);
        for _ in 0..2 {
            assert_eq!(look(&background, "a").await, "it goes on");
            background.when_over(&owner("a"), call.clone());
        }
        end.notify_one();
        yield_for_long().await;
        assert_eq!(count.load(SeqCst), 1);
        background.when_over(&owner("a"), call.clone());
        assert_eq!(count.load(SeqCst), 2, "it is over already");
        assert_eq!(look(&background, "a").await, "over: false");
        background.when_over(&owner("a"), call);
        assert_eq!(count.load(SeqCst), 3, "there is none any more");
    }

    #[tokio::test]
    async fn work_waits_for_its_turn() {
        let (background, (end, work)) = (impatient(1), work());
        background.begin(&owner("a"), &spec("a"), "it", work);
        background.begin(&owner("b"), &spec("a"), "it", async { Ok(()) });
        yield_for_long().await;
        assert_eq!(look(&background, "b").await, "it goes on");
        end.notify_one();
        yield_for_long().await;
        assert_eq!(look(&background, "b").await, "over: true");
    }

    #[tokio::test]
    async fn work_that_is_given_up_frees_its_place_and_tells_nothing() {
        for way in ["given up", "replaced", "for another spec"] {
            let (background, (count, call)) = (impatient(1), counter());
            background.begin(&owner("a"), &spec("a"), "it", work().1);
            background.when_over(&owner("a"), call);
            yield_for_long().await;
            match way {
                "given up" => background.give_up(&owner("a")),
                "replaced" => background.begin(&owner("a"), &spec("a"), "other", async { Ok(()) }),
                _ => assert!(background.look(&owner("a"), &spec("b")).await.is_none()),
            }
            background.begin(&owner("b"), &spec("a"), "it", async { Ok(()) });
            yield_for_long().await;
            assert_eq!(
                (look(&background, "b").await.as_str(), count.load(SeqCst)),
                ("over: true", 0),
                "{way}"
            );
        }
    }

    #[tokio::test]
    async fn the_end_of_work_whose_object_is_gone_is_not_kept() {
        let background = impatient(9);
        for number in 0..9 {
            background.begin(&owner(&number.to_string()), &spec("a"), "it", async { Ok(()) });
            yield_for_long().await;
        }
        assert_eq!(lock(&background.works).len(), 1, "{background:?}");
    }
}
