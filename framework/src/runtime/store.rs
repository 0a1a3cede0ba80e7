//! Stores what a cycle came to, in forms as small as they have to be. Where the API server takes none of them, the object is
//! left alone for a while, and its handlers aren't called again for it.

use super::{
    apply::{Gone, Refusal, Unwritten},
    fault::Fault,
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

/// An object that is to be left alone for a while: as it was seen, without what others have changed meanwhile.
pub struct LeftAlone(pub Body);

impl Watched {
    /// Stores what a cycle came to, and returns the object as it is then.
    ///
    /// # Errors
    /// If the API server takes it in no form.
    pub(super) async fn store(
        &self,
        results: Arc<Results>,
        body: Body,
        memo: &TypeMap,
    ) -> Result<Result<(Body, End), LeftAlone>, Gone> {
        match self.write(&results, body).await {
            Ok(Written { newest, end, form, .. }) => {
                take::<Stuck>(memo);
                tell(form, memo);
                Ok(Ok((newest, end)))
            }
            Err(Unwritten::Gone) => Err(Gone),
            Err(Unwritten::Refused(refusal)) => Ok(Err(give_up(refusal, Some(results), memo))),
        }
    }

    /// Writes a patch that has nothing of a cycle's results in it. The versions that it brings are added to `versions`.
    pub(super) async fn change(
        &self,
        body: Body,
        patch: Patch,
        memo: &TypeMap,
        versions: &mut Vec<String>,
    ) -> Result<Result<Body, LeftAlone>, Gone> {
        match self.apply(body, patch, versions).await {
            Ok(newest) => {
                // Results that wait to be stored still do.
                if get::<Stuck>(memo).is_some_and(|stuck| stuck.results.is_none()) {
                    take::<Stuck>(memo);
                }
                Ok(Ok(newest))
            }
            Err(Unwritten::Gone) => Err(Gone),
            Err(Unwritten::Refused(refusal)) => Ok(Err(give_up(refusal, None, memo))),
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

    /// Writes results, and once more into annotations if it turns out that the status doesn't keep them.
    async fn write(&self, results: &Results, body: Body) -> Result<Written, Unwritten> {
        let setup = self.setup();
        let written = self.write_by(setup, results, body).await?;
        // Other workers may have found out meanwhile: what counts is where this one has written.
        if !written.pruned || setup.storage.outside_status().is_none() {
            return Ok(written);
        }
        if self.leave_the_status() {
            report::status_is_pruned(&self.title());
        }
        self.write_ever_smaller(self.setup(), results, &Patch::default(), written.newest).await
    }

    /// Writes results; without what handlers have asked for, if it is too large with that in all forms.
    async fn write_by(&self, setup: &Setup, results: &Results, body: Body) -> Result<Written, Unwritten> {
        let refusal = match self.write_ever_smaller(setup, results, &results.additions, body).await {
            Err(Unwritten::Refused(refusal)) => refusal,
            done => return done,
        };
        if refusal.fault != Fault::TooLarge || !self.is_pending(&results.additions, &refusal.seen) {
            return Err(Unwritten::Refused(refusal));
        }
        let nothing = Patch::default();
        let written = self.write_ever_smaller(setup, results, &nothing, refusal.seen).await?;
        report::additions_refused(&refusal.why);
        Ok(written)
    }

    /// Tries what is large first, and then one smaller form after the other.
    async fn write_ever_smaller(
        &self,
        setup: &Setup,
        results: &Results,
        additions: &Patch,
        body: Body,
    ) -> Result<Written, Unwritten> {
        let mut setup = Cow::Borrowed(setup);
        let mut attempt = results.attempt(&setup, additions, &body);
        loop {
            let refusal = match self.apply(body.clone(), attempt.patch.clone(), &mut Vec::new()).await {
                Ok(newest) => return Ok(attempt.written(newest)),
                Err(Unwritten::Refused(refusal)) if refusal.fault == Fault::TooLarge => refusal,
                Err(unwritten) => return Err(unwritten),
            };
            let refused = attempt.patch.clone();
            // A form that says the same is of no use.
            while attempt.patch == refused {
                let Some(storage) = setup.storage.smaller() else { return Err(Unwritten::Refused(refusal)) };
                setup = Cow::Owned(Setup { storage, ..setup.into_owned() });
                attempt = results.attempt(&setup, additions, &refusal.seen);
            }
        }
    }

    /// Whether a patch would still change something.
    fn is_pending(&self, patch: &Patch, body: &Body) -> bool {
        let draft = self.draft(patch, body);
        let request = |part| draft.request(part, body, self.has_status_subresource());
        [Part::Status, Part::Object].into_iter().any(|part| request(part).is_some())
    }
}

/// One form of what is to be written of results.
struct Attempt {
    patch: Patch,
    end: End,
}

/// What was written of results.
struct Written {
    /// The object as it is then.
    newest: Body,
    end: End,
    /// How essences are kept.
    form: Form,
    /// The status has not kept what is to be kept in it.
    pruned: bool,
}

impl Attempt {
    fn written(self, newest: Body) -> Written {
        let pruned = self.patch.is_pruned(&newest);
        Written { newest, end: self.end, form: self.patch.form(), pruned }
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

    /// What is to be written of them where things are kept as the setup says, with some of what handlers have asked for.
    fn attempt(&self, setup: &Setup, additions: &Patch, body: &Body) -> Attempt {
        let (own, end) = self.cycle.settle(setup, body, &self.done, self.at);
        let mut patch = additions.clone();
        patch.join(own);
        Attempt { patch, end }
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

fn give_up(refusal: Refusal, results: Option<Arc<Results>>, memo: &TypeMap) -> LeftAlone {
    let Refusal { seen, why, fault } = refusal;
    let known = get::<Stuck>(memo);
    if known.as_ref().is_none_or(|known| known.why != why) {
        match fault {
            Fault::Denied => report::right_is_missing(&why, REFUSED),
            _ => report::given_up(&why, REFUSED),
        }
    }
    let results = results.or_else(|| known.and_then(|known| known.results.clone()));
    put(memo, Stuck { why, results });
    LeftAlone(seen)
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
