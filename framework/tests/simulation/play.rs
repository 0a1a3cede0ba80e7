//! The operator of a world: its handlers follow their scripts, and each call is recorded.

use crate::{
    asked::addition,
    record::{Noted, Record},
    role::{Cue, Role, Want},
    script::{Act, Ending, Finale},
    thing::{Thing, with_subresource, without_subresource},
    user::{Instant, Users},
    world::World,
};
use korf::{
    Error, FromCall, ObjectPatch, Operator, Result, SubHandlers,
    extract::Rejection,
    filter::Match,
    handler::{AttemptInfo, ChangeCall, Failure, Handler, HandlerBuilder, Registrable, Registry, Reply},
    on_create, on_delete, on_event, on_field, on_resume, on_update,
    scope::{ChangeHandlerScope, ObjectHandlerScope, Scope, Sub, WatchEvent},
};
use serde_json::{Value, json};
use std::{future::pending, panic::resume_unwind, sync::Arc, time::Duration};
use tokio::{task::yield_now, time::sleep};

/// The operator of a world; the record takes down its calls.
pub fn operator(world: &World, record: &Record, users: &Users) -> Operator {
    let handlers = world.roles.iter().flat_map(|role| handlers(role, record, users));
    let handlers = handlers.chain(world.timer.iter().map(|timer| timer.handler(record)));
    let handlers = handlers.chain(world.bell.iter().map(|bell| bell.handler(record, users)));
    let handlers = handlers.chain(world.catalog.iter().map(|catalog| catalog.handler(record)));
    let handlers = handlers.chain(world.daemon.iter().map(|daemon| daemon.handler(record)));
    let definition = if world.status_subresource { with_subresource } else { without_subresource };
    let registry: Registry = handlers
        .map(|mut handler| {
            handler.kind.definition = Some(definition);
            handler
        })
        .collect();
    world.settings(Operator::with_registry(world.operator(), registry))
}

fn handlers(role: &Role, record: &Record, users: &Users) -> Vec<Handler> {
    let id = role.id.split('/').next().unwrap_or_default();
    let part = Arc::new(Part { role: role.clone(), record: record.clone(), users: users.clone() });
    let handler = |cue: &Cue| match *cue {
        Cue::Create => part.change(on_create::<Thing>(id)),
        Cue::Update => part.change(on_update::<Thing>(id)),
        Cue::Delete { optional, lets_go } => {
            let on = on_delete::<Thing>(id);
            let on = if optional { on.optional() } else { on };
            part.change(if lets_go { on.release_on_failure() } else { on })
        }
        Cue::Resume { deleted } => {
            let on = on_resume::<Thing>(id);
            part.change(if deleted { on.deleted() } else { on })
        }
        Cue::Field => part.change(on_field::<Thing>(id, role.field.unwrap_or_default())),
        Cue::Event => part.event_handler(on_event::<Thing>(id)),
    };
    role.cues.iter().map(handler).collect()
}

/// A role, and those who watch it play.
struct Part {
    role: Role,
    record: Record,
    users: Users,
}

impl Part {
    /// A change handler.
    fn change<S>(self: &Arc<Self>, on: HandlerBuilder<S>) -> Handler
    where
        S: Registrable + ChangeHandlerScope<Kind = Thing>,
    {
        let (part, limits) = (Arc::clone(self), self.role.limits.clone());
        let on = self.filtered(on).backoff(limits.backoff).errors(limits.errors);
        let on = limits.retries.into_iter().fold(on, HandlerBuilder::retries);
        let on = limits.timeout.into_iter().fold(on, HandlerBuilder::timeout);
        on.call(move |call| {
            let part = Arc::clone(&part);
            async move { part.noted((&call).into(), part.perform::<S>(call.clone())).await }
        })
    }

    /// An event handler.
    fn event_handler(self: &Arc<Self>, on: HandlerBuilder<WatchEvent<Thing>>) -> Handler {
        let part = Arc::clone(self);
        let on = self.role.limits.timeout.into_iter().fold(self.filtered(on), HandlerBuilder::timeout);
        on.call(move |call| {
            let part = Arc::clone(&part);
            async move {
                let act = part.role.script.act(0);
                part.noted((&call).into(), part.act::<WatchEvent<Thing>>(&call, act)).await
            }
        })
    }

    fn filtered<S: Registrable>(&self, on: HandlerBuilder<S>) -> HandlerBuilder<S> {
        let role = &self.role;
        let on = role.label.iter().fold(on, |on, (key, wanted)| on.label(*key, wanted));
        let on = role.annotation.iter().fold(on, |on, (key, wanted)| on.annotation(*key, wanted));
        let on = role.field.iter().fold(on, |on, field| on.field(*field));
        role.value.iter().fold(on, HandlerBuilder::value)
    }

    async fn noted(
        &self,
        call: Noted,
        playing: impl Future<Output = Result<Reply, Failure>>,
    ) -> Result<Reply, Failure> {
        let open = self.record.begin(&call);
        let answer = playing.await;
        open.end(match &answer {
            Ok(_) => Ending::Succeeded,
            Err(Failure::Rejected(_)) => Ending::Unreadable,
            Err(Failure::Failed(Error::Permanent(_))) => Ending::Permanent,
            Err(
                Failure::Failed(Error::Temporary { .. } | Error::Waiting { .. }) | Failure::Children { .. },
            ) => Ending::Temporary,
            Err(Failure::Failed(Error::Unclassified(_) | Error::Outage { .. })) => Ending::Arbitrary,
        });
        self.users.meddle(Instant::AfterCall, call.body.name());
        answer
    }

    async fn perform<S: ChangeHandlerScope<Kind = Thing>>(
        self: &Arc<Self>,
        call: ChangeCall,
    ) -> Result<Reply, Failure> {
        if self.role.rejects(S::object(&call).body().value()) {
            return Err(Failure::Rejected(Rejection::object("the spec is broken")));
        }
        if self.role.parts {
            self.sub_handlers::<S>(&call).await?;
        }
        self.act::<S>(&call, self.role.script.act(number(&call))).await
    }

    /// One sub-handler for each part; they follow the same script.
    async fn sub_handlers<S: ChangeHandlerScope<Kind = Thing>>(
        self: &Arc<Self>,
        call: &ChangeCall,
    ) -> Result<(), Failure> {
        let subs = <SubHandlers<Thing> as FromCall<S>>::from_call(call).map_err(Failure::Rejected)?;
        for name in S::object(call).body().value()["spec"]["parts"].as_array().into_iter().flatten() {
            let part = Arc::clone(self);
            let sub = async move |Whole(call): Whole| -> Result<Value> {
                let act = part.role.script.act(number(&call));
                match part.noted((&call).into(), part.act::<Sub<Thing>>(&call, act)).await {
                    Err(Failure::Failed(error)) => Err(error),
                    _ => Ok(json!("made")),
                }
            };
            subs.add_with(name.as_str().unwrap_or_default(), self.role.limits.clone(), sub);
        }
        subs.execute().await.map_err(Failure::Failed)
    }

    async fn act<S: ObjectHandlerScope>(&self, call: &S::Call, act: Act) -> Result<Reply, Failure> {
        let (id, body) = (S::context(call).handler(), S::object(call).body());
        if let Some(patch) = addition(act.addition, id, body.value()) {
            <ObjectPatch as FromCall<S>>::from_call(call).map_err(Failure::Rejected)?.merge(patch);
        }
        for pause in act.pauses {
            wait(pause).await;
        }
        let failed = |error| Err(Failure::Failed(error));
        match act.finale {
            Finale::Succeed => Ok(Reply::Nothing),
            Finale::Result(value) => Ok(Reply::Result(value)),
            Finale::Status(value) => Ok(Reply::Status(value)),
            // A wait is called again like a failure. No choice of its own, so that the worlds stay as they are.
            Finale::Temporary(delay) if delay.as_millis().is_multiple_of(3) => {
                failed(Error::waiting("not yet", delay))
            }
            Finale::Temporary(delay) => failed(Error::temporary("not yet", delay)),
            Finale::Arbitrary => failed(Error::Unclassified("it broke".into())),
            Finale::Permanent => failed(Error::permanent("never")),
            // As `panic!`, but silent.
            Finale::Panic => resume_unwind(Box::new("oh")),
            Finale::Hang => pending().await,
        }
    }
}

async fn wait(time: Duration) {
    if time.is_zero() { yield_now().await } else { sleep(time).await }
}

fn number(call: &ChangeCall) -> u32 {
    let attempt: &AttemptInfo = call.as_ref();
    attempt.number()
}

/// A call as it is.
struct Whole(ChangeCall);

impl<S: Scope<Call = ChangeCall>> FromCall<S> for Whole {
    fn from_call(call: &ChangeCall) -> Result<Self, Rejection> {
        Ok(Self(call.clone()))
    }
}

impl From<&Want> for Match {
    fn from(wanted: &Want) -> Self {
        match wanted {
            Want::Is(value) => Self::Is(value.clone()),
            Want::Present => Self::Present,
            Want::Absent => Self::Absent,
        }
    }
}
