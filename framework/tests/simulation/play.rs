//! The operator that a world has: its handlers do what their scripts say, and each call is noted.

use crate::{
    asked::addition,
    record::Record,
    role::{Cue, Role, Want},
    script::{Act, Ending, Finale},
    thing::{Thing, with_subresource, without_subresource},
    world::World,
};
use korf::{
    Call, Change, Error, Failure, FromCall, Handler, Match, On, Operator, Registry, Reply, Result, Scope,
    SubHandlers, on_create, on_delete, on_event, on_field, on_resume, on_update,
};
use serde_json::{Value, json};
use std::{future::pending, panic::resume_unwind, sync::Arc, time::Duration};
use tokio::{task::yield_now, time::sleep};

/// The operator of a world; its calls are noted in the record.
pub fn operator(world: &World, record: &Record) -> Operator {
    let handlers = world.roles.iter().flat_map(|role| handlers(role, record));
    let definition = if world.status_subresource { with_subresource } else { without_subresource };
    let registry: Registry = handlers
        .map(|mut handler| {
            handler.kind.definition = Some(definition);
            handler
        })
        .collect();
    world.settings(Operator::with_registry(world.operator(), registry))
}

fn handlers(role: &Role, record: &Record) -> Vec<Handler> {
    let id = role.id.split('/').next().unwrap_or_default();
    let part = Arc::new(Part { role: role.clone(), record: record.clone() });
    let handler = |cue: &Cue| match *cue {
        Cue::Create => part.change(on_create::<Thing>(id)),
        Cue::Update => part.change(on_update::<Thing>(id)),
        Cue::Delete { optional, lets_go } => {
            let on = on_delete::<Thing>(id);
            let on = if optional { on.optional() } else { on };
            part.change(if lets_go { on.let_go() } else { on })
        }
        Cue::Resume { deleted } => {
            let on = on_resume::<Thing>(id);
            part.change(if deleted { on.deleted() } else { on })
        }
        Cue::Field => part.change(on_field::<Thing>(id, role.field.unwrap_or_default())),
        Cue::Event => part.spy(on_event::<Thing>(id)),
    };
    role.cues.iter().map(handler).collect()
}

/// A role, and where its calls are noted.
struct Part {
    role: Role,
    record: Record,
}

impl Part {
    /// A handler of changes.
    fn change<S: Change + Scope<Kind = Thing>>(self: &Arc<Self>, on: On<S>) -> Handler {
        let (part, limits) = (Arc::clone(self), self.role.limits.clone());
        let on = self.filtered(on).backoff(limits.backoff).errors(limits.errors);
        let on = limits.retries.into_iter().fold(on, On::retries);
        let on = limits.timeout.into_iter().fold(on, On::timeout);
        on.call(move |call| {
            let part = Arc::clone(&part);
            async move { part.noted(&call.clone(), part.perform::<S>(call)).await }
        })
    }

    /// A handler of raw events.
    fn spy<S: Scope<Kind = Thing>>(self: &Arc<Self>, on: On<S>) -> Handler {
        let part = Arc::clone(self);
        let on = self.role.limits.timeout.into_iter().fold(self.filtered(on), On::timeout);
        on.call(move |call| {
            let part = Arc::clone(&part);
            async move { part.noted(&call.clone(), part.act(&call, part.role.script.act(0))).await }
        })
    }

    fn filtered<S: Scope>(&self, on: On<S>) -> On<S> {
        let role = &self.role;
        let on = role.label.iter().fold(on, |on, (key, wanted)| on.label(*key, wanted));
        let on = role.annotation.iter().fold(on, |on, (key, wanted)| on.annotation(*key, wanted));
        let on = role.field.iter().fold(on, |on, field| on.field(*field));
        role.value.iter().fold(on, On::value)
    }

    async fn noted(
        &self,
        call: &Call,
        playing: impl Future<Output = Result<Reply, Failure>>,
    ) -> Result<Reply, Failure> {
        let open = self.record.begin(call);
        let answer = playing.await;
        open.end(match &answer {
            Ok(_) => Ending::Succeeded,
            Err(Failure::Unreadable(_)) => Ending::Unreadable,
            Err(Failure::Failed(Error::Permanent(_))) => Ending::Permanent,
            Err(Failure::Failed(Error::Temporary { .. })) => Ending::Temporary,
            Err(Failure::Failed(Error::Unclassified(_))) => Ending::Arbitrary,
        });
        answer
    }

    async fn perform<S: Change + Scope<Kind = Thing>>(
        self: &Arc<Self>,
        call: Call,
    ) -> Result<Reply, Failure> {
        if self.role.refuses(call.body.value()) {
            return Err(Failure::Unreadable(Error::permanent("the spec is broken")));
        }
        if self.role.parts {
            self.sub_handlers::<S>(&call).await?;
        }
        self.act(&call, self.role.script.act(call.attempt)).await
    }

    /// One sub-handler for each part; they play the same script.
    async fn sub_handlers<S: Change + Scope<Kind = Thing>>(
        self: &Arc<Self>,
        call: &Call,
    ) -> Result<(), Failure> {
        let subs: SubHandlers<Thing> = call.argument::<S, _>()?;
        for name in call.body.value()["spec"]["parts"].as_array().into_iter().flatten() {
            let part = Arc::clone(self);
            let sub = async move |Whole(call): Whole| -> Result<Value> {
                match part.noted(&call, part.act(&call, part.role.script.act(call.attempt))).await {
                    Ok(_) => Ok(json!("made")),
                    Err(Failure::Failed(error) | Failure::Unreadable(error)) => Err(error),
                }
            };
            subs.add_with(name.as_str().unwrap_or_default(), self.role.limits.clone(), sub);
        }
        subs.execute().await.map_err(Failure::Failed)
    }

    async fn act(&self, call: &Call, act: Act) -> Result<Reply, Failure> {
        if let Some(patch) = addition(act.addition, &call.id, call.body.value()) {
            call.additions.merge(patch);
        }
        for pause in act.pauses {
            wait(pause).await;
        }
        let failed = |error| Err(Failure::Failed(error));
        match act.finale {
            Finale::Succeed => Ok(Reply::Nothing),
            Finale::Result(value) => Ok(Reply::Result(value)),
            Finale::Status(value) => Ok(Reply::Status(value)),
            Finale::Temporary(delay) => failed(Error::temporary("not yet", delay)),
            Finale::Arbitrary => failed(Error::Unclassified("it broke".into())),
            Finale::Permanent => failed(Error::permanent("never")),
            // As `panic!`, but without a word on the standard error.
            Finale::Panic => resume_unwind(Box::new("oh")),
            Finale::Hang => pending().await,
        }
    }
}

async fn wait(time: Duration) {
    if time.is_zero() { yield_now().await } else { sleep(time).await }
}

/// A call as it is.
struct Whole(Call);

impl<S: Scope> FromCall<S> for Whole {
    fn from_call(call: &Call) -> Result<Self> {
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
