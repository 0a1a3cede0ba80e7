//! Command `handlers`: a table of the registered handlers.

use crate::{
    argument::Requirements,
    core::{
        daemon::DaemonOptions,
        filter::{Filter, Match},
        handler::OnChange,
        retry::{Backoff, Limits, OnError},
        timer::TimerSchedule,
    },
    families::{Activity, ActivityKind, Family, Handler, KindSelection},
    needs::{Need, NeedPlace},
    registry::{LeftOut, Registry},
};
use std::{
    io::{self, Write},
    time::Duration,
};

type Row = [String; 5];

/// A table: kind, trigger, id, options, source, with the permissions that are declared beside functions; and then a line for each
/// handler that is for an operator of another name.
pub(super) fn print(registry: &Registry, out: &mut impl Write) -> io::Result<()> {
    let head = ["KIND", "ON", "ID", "OPTIONS", "SOURCE"].map(String::from);
    let rows: Vec<Row> = std::iter::once(head)
        .chain(registry.activities().iter().map(activity))
        .chain(registry.handlers().iter().map(row))
        .chain(registry.needs().iter().map(need))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [kind, on, id, options] = [width(0), width(1), width(2), width(3)];
    for row in &rows {
        writeln!(out, "{:kind$}  {:on$}  {:id$}  {:options$}  {}", row[0], row[1], row[2], row[3], row[4])?;
    }
    for LeftOut { id, operator, location } in registry.left_out() {
        writeln!(
            out,
            "Left out, since it is for operators of the name {operator:?} alone: {id}, {location}"
        )?;
    }
    Ok(())
}

fn row(handler: &Handler) -> Row {
    let resource = &handler.kind.resource;
    let kind = match handler.kind.is_any() {
        true => resource.kind.clone(),
        false => format!("{} ({})", resource.kind, resource.api_version),
    };
    [
        kind,
        handler.called_for().to_owned(),
        handler.id().to_owned(),
        options(handler),
        handler.location.to_string(),
    ]
}

fn need(need: &Need) -> Row {
    let operator = need.operator.as_ref().map(|name| format!("operator={name}"));
    let names = need.names.iter().map(|name| format!("name={name}"));
    let place = match &need.place {
        NeedPlace::Served => None,
        NeedPlace::Namespace(namespace) => Some(format!("namespace={namespace}")),
        NeedPlace::Cluster => Some("everywhere".to_owned()),
    };
    let shown: Vec<_> = operator.into_iter().chain(names).chain(place).collect();
    [
        title(need),
        "needs".to_owned(),
        need.verbs.join(","),
        if shown.is_empty() { "-".into() } else { shown.join(" ") },
        need.location.to_string(),
    ]
}

/// The resource as kubectl has it: `deployments.apps`.
fn title(need: &Need) -> String {
    let dot = if need.group.is_empty() { "" } else { "." };
    format!("{}{dot}{}", need.resource, need.group)
}

/// What a handler or an activity declares itself.
fn needs(requirements: &Requirements) -> impl Iterator<Item = String> {
    requirements.access().needs.iter().map(|need| format!("needs={}:{}", title(need), need.verbs.join(",")))
}

fn activity(activity: &Activity) -> Row {
    let operator = activity.operator.as_ref().map(|name| format!("operator={name}"));
    let limits = match activity.kind {
        ActivityKind::Probe => timeout(activity.limits.timeout),
        _ => limits(&activity.limits),
    };
    let shown: Vec<_> = operator.into_iter().chain(limits).chain(needs(&activity.requirements)).collect();
    [
        "-".to_owned(),
        activity.kind.as_str().to_owned(),
        activity.id.clone(),
        if shown.is_empty() { "-".into() } else { shown.join(" ") },
        activity.location.to_string(),
    ]
}

/// The options that aren't the default: trigger, filter, limits.
fn options(handler: &Handler) -> String {
    let filters = filters(handler.filter());
    let operator = handler.operator.as_ref().map(|name| format!("operator={name}"));
    let own = match &handler.family {
        Family::Change(change) => [triggered(change.on), filters, limits(&change.limits)].concat(),
        Family::Event(event) => [kinds(event.kinds.as_ref()), filters, timeout(event.timeout)].concat(),
        Family::Related(related) => [vec![format!("maps_to={}", related.target.kind)], filters].concat(),
        Family::Index(index) => [filters, on_error(index.errors, OnError::Ignored)].concat(),
        Family::Timer(timer) => [schedule(&timer.schedule), filters, limits(&timer.limits)].concat(),
        Family::Daemon(daemon) => [life(&daemon.options), filters, limits(&daemon.limits)].concat(),
    };
    let shown: Vec<_> = operator.into_iter().chain(own).chain(needs(&handler.requirements)).collect();
    if shown.is_empty() { "-".into() } else { shown.join(" ") }
}

fn kinds(selection: Option<&KindSelection>) -> Vec<String> {
    let Some(KindSelection { category, group, condition }) = selection else { return Vec::new() };
    let category = category.as_ref().map(|category| format!("category={category}"));
    let group = group.as_ref().map(|group| format!("group={group}"));
    let condition = condition.as_ref().map(|_| "kinds".to_owned());
    category.into_iter().chain(group).chain(condition).collect()
}

fn schedule(schedule: &TimerSchedule) -> Vec<String> {
    let TimerSchedule { interval, initial_delay, idle, sharp } = schedule;
    let mut shown = vec![format!("interval={interval:?}")];
    shown.extend((!initial_delay.is_zero()).then(|| format!("initial_delay={initial_delay:?}")));
    shown.extend(idle.map(|idle| format!("idle={idle:?}")));
    shown.extend(sharp.then(|| "sharp".to_owned()));
    shown
}

fn life(options: &DaemonOptions) -> Vec<String> {
    let DaemonOptions { initial_delay, cancellation_backoff, cancellation_timeout, finalizer } = options;
    let mut shown = Vec::new();
    shown.extend((!initial_delay.is_zero()).then(|| format!("initial_delay={initial_delay:?}")));
    shown.extend(cancellation_backoff.map(|backoff| format!("cancellation_backoff={backoff:?}")));
    shown.extend(cancellation_timeout.map(|timeout| format!("cancellation_timeout={timeout:?}")));
    shown.extend(finalizer.then(|| "finalizer".to_owned()));
    shown
}

fn triggered(on: OnChange) -> Vec<String> {
    if let OnChange::Resume { deleted, resync } = on {
        let deleted = deleted.then(|| "deleted".to_owned());
        return deleted.into_iter().chain(resync.map(|interval| format!("resync={interval:?}"))).collect();
    }
    let words = match on {
        OnChange::Delete { optional, release_on_failure } => {
            [optional.then_some("optional"), release_on_failure.then_some("release_on_failure")]
        }
        _ => [None, None],
    };
    words.into_iter().flatten().map(str::to_owned).collect()
}

fn filters(filter: &Filter) -> Vec<String> {
    let entries = |name: &str, wanted: &[(String, Match)]| {
        let entries = wanted.iter().map(|(key, wanted)| format!("{name}[{key}]={wanted:?}"));
        entries.collect::<Vec<_>>()
    };
    let of_field = [("value", &filter.value), ("old", &filter.old), ("new", &filter.new)];
    let mut shown = entries("labels", &filter.labels);
    shown.extend(entries("annotations", &filter.annotations));
    shown.extend(filter.field.as_ref().map(|field| format!("field={field}")));
    shown.extend(of_field.iter().filter_map(|(name, wanted)| Some(format!("{name}={:?}", wanted.as_ref()?))));
    shown.extend(filter.when.as_ref().map(|_| "when".to_owned()));
    shown
}

fn timeout(timeout: Option<Duration>) -> Vec<String> {
    timeout.map(|longest| format!("timeout={longest:?}")).into_iter().collect()
}

fn limits(limits: &Limits) -> Vec<String> {
    let mut shown = Vec::new();
    shown.extend(limits.retries.map(|attempts| format!("retries={attempts}")));
    shown.extend(timeout(limits.timeout));
    if limits.backoff != Backoff::default() {
        shown.push(format!("backoff={}", backoff(limits.backoff)));
    }
    shown.extend(on_error(limits.errors, OnError::Temporary));
    shown
}

fn on_error(errors: OnError, default: OnError) -> Vec<String> {
    let word = match errors {
        OnError::Temporary => "temporary",
        OnError::Ignored => "ignored",
        OnError::Permanent => "permanent",
    };
    (errors != default).then(|| format!("errors={word}")).into_iter().collect()
}

fn backoff(backoff: Backoff) -> String {
    let text = |delay: Duration| format!("{delay:?}");
    match backoff {
        Backoff::Constant(delay) => text(delay),
        Backoff::Exponential { initial, max } => format!("{}..{}", text(initial), text(max)),
    }
}
