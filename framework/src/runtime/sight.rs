//! Objects that a narrow watch says are gone: they may only be out of its sight.

use super::{
    apply::Gone,
    kind::Watched,
    pace::{broken, unread},
    queue::{Finish, Job, Told},
    report,
    request::{Standing, Unread},
};
use crate::core::{
    body::Body,
    cycle::Look,
    patch::{Finalizer, Patch},
};
use std::time::Duration;

/// What there is to say where nothing of ours may stay on an object, and the API server refuses to let it go.
const FINALIZER_LEFT: &str = "the object is no longer asked for, and our finalizer can't be taken off it";

/// The time to the next look at an object that others have changed while it was let go of.
const AGAIN: Duration = Duration::from_secs(1);

impl Watched {
    /// Looks for an object that a narrow watch says is gone: it may be there all the same, and then handlers of raw
    /// events are told nothing.
    pub(super) async fn look_for(&self, job: Job, told: &mut Told) -> Result<Job, Finish> {
        match self.read(&job.body, Standing::after(job.errors)).await {
            Ok(body) if !self.selects(&body) => match self.lose_sight(body, &job).await {
                Ok(end) => {
                    told.untold = told.untold.filter(|_| !matches!(end, Finish::OutOfSight));
                    Err(end)
                }
                Err(Gone) => Ok(job),
            },
            // It is back, as the watch will say.
            Ok(body) => {
                told.untold = None;
                Ok(Job { gone: false, fetch: false, look: Look::Changed, event: None, body, ..job })
            }
            Err(Unread::Failed(why, fault)) if fault.may_pass() => Err(unread(job.errors, &why)),
            Err(_) => Ok(job),
        }
    }

    /// Leaves an object alone that is alive, but no longer one that the watch shows. Nobody will see it go, and nothing of
    /// ours may hold it back.
    async fn lose_sight(&self, body: Body, job: &Job) -> Result<Finish, Gone> {
        let finalizer = self.setup().storage.finalizer();
        if !body.finalizers().any(|name| name == finalizer) {
            return Ok(Finish::OutOfSight);
        }
        let change = Finalizer::Remove(finalizer.to_owned());
        report::finalizer(&change);
        match self.change(body, Patch::of_finalizer(change), &job.memo, &mut Vec::new()).await? {
            Ok(_) => Ok(Finish::OutOfSight),
            // It may be one that the watch shows again.
            Err(left_alone) if left_alone.is_changed() => Ok(Finish::Broken { delay: AGAIN, newest: None }),
            Err(_) => Ok(broken(job.errors, FINALIZER_LEFT, None)),
        }
    }
}
