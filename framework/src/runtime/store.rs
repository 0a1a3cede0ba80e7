//! Stores what a cycle came to, in forms as small as they have to be. Where the API server takes none of them, the object is
//! left alone for a while, and its handlers aren't called again for it.

use super::{
    apply::{Gone, Unwritten},
    kind::Watched,
    queue::Job,
    report,
};
use crate::{
    core::{
        Reason,
        body::Body,
        cycle::{Cycle, Done, End, Setup},
        patch::{Part, Patch},
        storage::Form,
    },
    handler::TypeMap,
};
use jiff::Timestamp;
use std::{
    any::{Any, TypeId},
    borrow::Cow,
    sync::{Arc, PoisonError},
    time::Duration,
};

/// How long an object is left alone whose changes the API server refuses.
pub const REFUSED: Duration = Duration::from_secs(300);

/// What the handlers of one cycle came to.
#[derive(Debug)]
pub struct Results {
    pub cycle: Cycle,
    pub done: Vec<Done>,
    /// What the handlers have asked for.
    pub additions: Patch,
    /// When they had come to it.
    pub at: Timestamp,
}

/// What an object's memory holds while the API server refuses what is to be kept on it.
struct Stuck {
    why: String,
    results: Option<Arc<Results>>,
}

/// An object's memory holds it once a warning was given.
struct Warned;

/// An object that is to be left alone for a while.
pub struct LeftAlone(pub Body);

impl Watched {
    /// Stores what a cycle came to, and returns the object as it is then.
    ///
    /// # Errors
    /// If the API server takes it in no form: the object as it is.
    pub(super) async fn store(
        &self,
        results: Arc<Results>,
        body: Body,
        memo: &TypeMap,
    ) -> Result<Result<(Body, End), LeftAlone>, Gone> {
        match self.write(&results, body, memo).await {
            Ok(written) => {
                take::<Stuck>(memo);
                Ok(Ok(written))
            }
            Err(Unwritten::Gone) => Err(Gone),
            Err(Unwritten::Refused { newest, why, .. }) => Ok(Err(give_up(newest, why, Some(results), memo))),
        }
    }

    /// Writes a patch that has nothing of a cycle's results in it.
    pub(super) async fn change(
        &self,
        body: Body,
        patch: Patch,
        memo: &TypeMap,
    ) -> Result<Result<Body, LeftAlone>, Gone> {
        match self.apply(body, patch).await {
            Ok(newest) => {
                // Results that wait to be stored still do.
                if get::<Stuck>(memo).is_some_and(|stuck| stuck.results.is_none()) {
                    take::<Stuck>(memo);
                }
                Ok(Ok(newest))
            }
            Err(Unwritten::Gone) => Err(Gone),
            Err(Unwritten::Refused { newest, why, .. }) => Ok(Err(give_up(newest, why, None, memo))),
        }
    }

    /// Stores what could not be stored before, if there is anything.
    pub(super) async fn catch_up(&self, body: Body, job: &Job) -> Result<Result<Body, LeftAlone>, Gone> {
        let stuck = get::<Stuck>(&job.memo).filter(|_| !job.gone);
        let results = stuck.and_then(|stuck| stuck.results.clone());
        if body.is_deleting()
            && results.as_ref().is_some_and(|results| results.cycle.reason != Reason::Delete)
        {
            // What came of the object's creation or of an update no longer matters, and must not keep it.
            take::<Stuck>(&job.memo);
            return Ok(Ok(body));
        }
        match results {
            Some(results) => Ok(self.store(results, body, &job.memo).await?.map(|(newest, _)| newest)),
            None => Ok(Ok(body)),
        }
    }

    fn is_pending(&self, patch: &Patch, body: &Body) -> bool {
        let draft = self.draft(patch, body);
        let request = |part| draft.request(part, body, self.has_status_subresource());
        [Part::Status, Part::Object].into_iter().any(|part| request(part).is_some())
    }

    /// Tries what is large, then what is smaller, and in the end without what handlers have asked for.
    async fn write(
        &self,
        results: &Results,
        mut body: Body,
        memo: &TypeMap,
    ) -> Result<(Body, End), Unwritten> {
        let mut setup = Cow::Borrowed(self.setup());
        let mut additions = Cow::Borrowed(&results.additions);
        let mut refused: Option<(Patch, String)> = None;
        loop {
            let (own, end) = results.cycle.settle(&setup, &body, &results.done, results.at);
            let (form, mut patch) = (own.form(), Patch::clone(&additions));
            patch.join(own);
            // A smaller one is of no use if it is the same.
            if refused.as_ref().is_none_or(|(refused, _)| *refused != patch) {
                match self.apply(body, patch.clone()).await {
                    Ok(newest) if patch.is_pruned(&newest) && self.leave_the_status() => {
                        report::status_is_pruned(&self.title());
                        (body, additions) = (newest, Cow::Owned(Patch::default()));
                        setup = Cow::Borrowed(self.setup());
                        continue;
                    }
                    Ok(newest) => {
                        tell(form, memo);
                        if let (Cow::Owned(_), Some((_, why))) = (additions, refused) {
                            report::additions_refused(&why);
                        }
                        return Ok((newest, end));
                    }
                    Err(Unwritten::Refused { newest, why, too_large: true }) => {
                        (body, refused) = (newest, Some((patch, why)));
                    }
                    Err(unwritten) => return Err(unwritten),
                }
            }
            if let Some(storage) = setup.storage.smaller() {
                setup = Cow::Owned(Setup { storage, ..setup.into_owned() });
            } else if self.is_pending(&additions, &body) {
                (additions, setup) = (Cow::Owned(Patch::default()), Cow::Borrowed(self.setup()));
            } else {
                let why = refused.map(|(_, why)| why).unwrap_or_default();
                return Err(Unwritten::Refused { newest: body, why, too_large: true });
            }
        }
    }
}

impl Results {
    /// What these handlers came to; in the end of a deletion without the status: nobody will read it, and it would
    /// cost a write.
    pub fn new(cycle: Cycle, done: Vec<Done>, additions: Patch, end: &End, at: Timestamp) -> Self {
        let ends = cycle.reason == Reason::Delete && matches!(end, End::Processed(_) | End::Released);
        let additions = if ends { additions.without_status() } else { additions };
        Self { cycle, done, additions, at }
    }
}

/// Says how an essence is kept, where that isn't the usual form.
fn tell(form: Form, memo: &TypeMap) {
    match form {
        Form::Text => {}
        Form::Deflated => report::essence_is_compressed(),
        Form::Digest => {
            if put(memo, Warned).is_none() {
                report::essence_is_a_digest();
            }
        }
    }
}

fn give_up(newest: Body, why: String, results: Option<Arc<Results>>, memo: &TypeMap) -> LeftAlone {
    let known = get::<Stuck>(memo);
    if known.as_ref().is_none_or(|known| known.why != why) {
        report::given_up(&why, REFUSED);
    }
    let results = results.or_else(|| known.and_then(|known| known.results.clone()));
    put(memo, Stuck { why, results });
    LeftAlone(newest)
}

fn get<T: Any + Send + Sync>(memo: &TypeMap) -> Option<Arc<T>> {
    let memo = memo.lock().unwrap_or_else(PoisonError::into_inner);
    memo.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok())
}

fn put<T: Any + Send + Sync>(memo: &TypeMap, value: T) -> Option<Arc<dyn Any + Send + Sync>> {
    memo.lock().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<T>(), Arc::new(value))
}

fn take<T: Any>(memo: &TypeMap) {
    memo.lock().unwrap_or_else(PoisonError::into_inner).remove(&TypeId::of::<T>());
}
