//! Stores what a cycle came to. Where the API server doesn't take it, the object is left alone for a while, what its handlers
//! came to stays in memory, and they aren't called again for it.

use super::{
    apply::{Gone, Refusal, Unwritten},
    fault::Fault,
    kind::Watched,
    queue::Job,
    report,
    request::{Budget, Standing, Unread},
    results::{Results, Writer, Written},
};
use crate::{
    core::{Reason, body::Body, cycle::End, patch::Patch, storage::Form},
    handler::TypeMap,
};
use std::{
    any::{Any, TypeId},
    sync::{Arc, PoisonError},
    time::Duration,
};

/// How long an object is left alone whose changes the API server refuses.
const REFUSED: Duration = Duration::from_secs(300);

/// The same where the reason may pass by itself, as with an API server that is away.
const FAILED: Duration = Duration::from_secs(30);

/// What an object's memory holds while the API server refuses what is to be kept on it.
struct Stuck {
    why: String,
    fault: Fault,
    results: Option<Arc<Results>>,
    /// What handlers of raw events have asked for.
    additions: Patch,
}

/// An object's memory holds it once a warning was given.
struct Warned;

/// An object that is to be left alone for a while: as it was seen, without what others have changed meanwhile.
pub struct LeftAlone {
    pub seen: Body,
    /// How long.
    pub due: Duration,
}

impl LeftAlone {
    /// One that others have changed meanwhile: its next turn comes at once, after those of the objects that wait.
    fn changed(seen: Body) -> Self {
        Self { seen, due: Duration::ZERO }
    }

    /// Whether others have changed it meanwhile.
    pub fn is_changed(&self) -> bool {
        self.due.is_zero()
    }
}

impl Watched {
    /// Stores what a cycle came to, and returns the object as it is then. The versions that it brings are added to
    /// `versions`.
    ///
    /// # Errors
    /// If it is gone. An object that is left alone isn't an error: then the API server takes it in no form.
    pub(super) async fn store(
        &self,
        results: Arc<Results>,
        body: Body,
        memo: &TypeMap,
        versions: &mut Vec<String>,
    ) -> Result<Result<(Body, End), LeftAlone>, Gone> {
        let budget = standing(memo).into();
        let mut writer = Writer { watched: self, results: &results, budget, versions: Vec::new() };
        let written = writer.write(body).await;
        versions.append(&mut writer.versions);
        match written {
            Ok(Written { newest, end, form, .. }) => {
                take::<Stuck>(memo);
                tell(form, memo);
                Ok(Ok((newest, end)))
            }
            Err(Unwritten::Gone) => Err(Gone),
            Err(Unwritten::Refused(refusal)) => Ok(Err(give_up(refusal, Some(results), waiting(memo), memo))),
            Err(Unwritten::Changed { seen, .. }) => {
                let why = "others change it all the time".to_owned();
                let refusal = Refusal { seen, why, fault: Fault::Conflict };
                Ok(Err(give_up(refusal, Some(results), waiting(memo), memo)))
            }
        }
    }

    /// Writes a patch that has nothing of a cycle's results in it, behind what handlers of raw events have asked for in vain
    /// before. The versions that it brings are added to `versions`.
    pub(super) async fn change(
        &self,
        body: Body,
        patch: Patch,
        memo: &TypeMap,
        versions: &mut Vec<String>,
    ) -> Result<Result<Body, LeftAlone>, Gone> {
        let mut whole = waiting(memo);
        whole.join(patch);
        self.change_all(body, whole, standing(memo).into(), memo, versions).await
    }

    /// The same for an object of which an older state is known: what is asked for may be there, and on the object no longer.
    pub(super) async fn change_newest(
        &self,
        body: Body,
        patch: Patch,
        memo: &TypeMap,
        versions: &mut Vec<String>,
    ) -> Result<Result<Body, LeftAlone>, Gone> {
        let (mut whole, budget) = (waiting(memo), Budget::from(standing(memo)));
        whole.join(patch);
        if !whole.has_additions() {
            return Ok(Ok(body));
        }
        match self.read(&body, budget).await {
            Ok(newest) => self.change_all(newest, whole, budget, memo, versions).await,
            Err(Unread::Gone) => Err(Gone),
            Err(Unread::Failed(why, fault)) => {
                let refusal = Refusal { seen: body, why, fault };
                Ok(Err(give_up(refusal, None, whole.only_additions(), memo)))
            }
        }
    }

    async fn change_all(
        &self,
        body: Body,
        whole: Patch,
        budget: Budget,
        memo: &TypeMap,
        versions: &mut Vec<String>,
    ) -> Result<Result<Body, LeftAlone>, Gone> {
        match self.writing(body, whole.clone(), budget, versions).exactly().finish().await {
            Ok(newest) => {
                // Results that wait to be stored still do.
                match get::<Stuck>(memo).as_deref() {
                    Some(Stuck { results: Some(results), why, fault, .. }) => {
                        let (results, why) = (Some(Arc::clone(results)), why.clone());
                        put(memo, Stuck { why, fault: *fault, results, additions: Patch::default() });
                    }
                    _ => take::<Stuck>(memo),
                }
                Ok(Ok(newest))
            }
            Err(Unwritten::Gone) => Err(Gone),
            Err(Unwritten::Changed { seen, .. }) => Ok(Err(LeftAlone::changed(seen))),
            Err(Unwritten::Refused(refusal)) => {
                let later = refusal.fault.may_pass() || refusal.fault == Fault::Denied;
                let kept = if later { whole.only_additions() } else { Patch::default() };
                Ok(Err(give_up(refusal, None, kept, memo)))
            }
        }
    }

    /// Stores what could not be stored before, if there is anything.
    /// The versions that handlers of raw events bring by it are added to `versions`.
    pub(super) async fn catch_up(
        &self,
        mut body: Body,
        job: &Job,
        versions: &mut Vec<String>,
    ) -> Result<Result<Body, LeftAlone>, Gone> {
        if !job.gone && waiting(&job.memo).has_additions() {
            body = match self.change(body, Patch::default(), &job.memo, versions).await? {
                Ok(newest) => newest,
                left_alone => return Ok(left_alone),
            };
        }
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
            Some(results) => {
                let stored = self.store(results, body, &job.memo, &mut Vec::new()).await?;
                Ok(stored.map(|(newest, _)| newest))
            }
            None => Ok(Ok(body)),
        }
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

/// Whether the object's changes were given up before, and may be taken now.
fn standing(memo: &TypeMap) -> Standing {
    let troubled = get::<Stuck>(memo).is_some_and(|stuck| stuck.fault.may_pass());
    if troubled { Standing::Troubled } else { Standing::Good }
}

/// What handlers of raw events have asked for in vain.
fn waiting(memo: &TypeMap) -> Patch {
    get::<Stuck>(memo).map(|stuck| stuck.additions.clone()).unwrap_or_default()
}

fn give_up(refusal: Refusal, results: Option<Arc<Results>>, additions: Patch, memo: &TypeMap) -> LeftAlone {
    let Refusal { seen, why, fault } = refusal;
    let known = get::<Stuck>(memo);
    let due = if fault.may_pass() { FAILED } else { REFUSED };
    // What may pass says something else each time.
    let is_known = |known: &Stuck| known.why == why || (known.fault.may_pass() && fault.may_pass());
    if !known.as_deref().is_some_and(is_known) {
        match fault {
            fault if fault.may_pass() => report::put_off(&why, due),
            Fault::Denied => report::right_is_missing(&why, due),
            _ => report::given_up(&why, due),
        }
    }
    let results = results.or_else(|| known.and_then(|known| known.results.clone()));
    put(memo, Stuck { why, fault, results, additions });
    LeftAlone { seen, due }
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
