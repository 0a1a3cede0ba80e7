//! Handlers that create, extend and drop the PostgreSQL table of a `DatabaseTable`.

use crate::{
    api,
    cluster::Cluster,
    connections::{Connections, Link, Purpose},
    crd::DatabaseTable,
    database::OnDrift,
    error::{TableError, Wait},
    events::{self, TableEvent},
    marker::Owner,
    outcome::{Adoption, Applied, Dropped, Outcome},
    plan::{Claim, PlanError, Repair},
    request::TableRequest,
    secrets,
    siblings::beside,
    spec::DeletionPolicy,
    status::TableStatus,
};
use korf::{
    Error, EventRecorder, Memo, ObjectPatch, Reason, Result, State, Status,
    extract::{Body, Severity},
    filter::not,
};
use kube::Client;
use std::{
    fmt::Arguments,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tracing::{debug, info, warn};

/// What all handlers share.
#[derive(Clone, Debug)]
pub struct Context {
    /// The databases for the tables.
    pub connections: Connections,
    /// The cluster whose tables are in the databases.
    pub cluster: Cluster,
    /// The time between two looks at the tables; `None` for no looks.
    pub drift_interval: Option<Duration>,
    /// Whether the tables that Kopf's operator has made for objects are left alone.
    pub leaves_kopf_tables: bool,
}

/// One of the objects asks so often whether the database is back, or the API server.
const AWAY: Duration = Duration::from_secs(3);
/// One of the objects tries so often whether someone has put right what is wrong outside them, which may take days.
const WRONG: Duration = Duration::from_secs(20);

/// An object is looked at so often at least while something is done to its table. It is looked at besides when that is over, if this
/// process does it.
const WORKING: Duration = Duration::from_secs(60);
/// The time to the first of these looks: it grows with the time for which the work lasts.
const BEGUN: Duration = Duration::from_secs(1);
/// An object is tried again so soon whose rows are in the way, or for whose rows there is no room: each time, all of them are read.
const ROWS: Duration = Duration::from_secs(300);
/// The longest time to the next of these attempts: it grows with the time for which they have failed.
const MOST_ROWS: Duration = Duration::from_secs(6 * 3600);

#[korf::on_create(DatabaseTable)]
async fn create_handler(
    request: TableRequest,
    context: State<Context>,
    client: Client,
    patch: ObjectPatch,
    events: EventRecorder,
) -> Result<Status<TableStatus>> {
    log_kopf_line(
        request.is_first,
        format_args!("Create handler invoked by custom resource {}. Creating database table.", request.name),
    );
    reconcile(&request, &context, &client, &patch, &events).await
}

#[korf::on_update(DatabaseTable)]
async fn update_handler(
    request: TableRequest,
    context: State<Context>,
    client: Client,
    patch: ObjectPatch,
    events: EventRecorder,
) -> Result<Status<TableStatus>> {
    log_kopf_line(
        request.is_first,
        format_args!(
            "Update handler invoked by custom resource {}. Checking the database table.",
            request.name
        ),
    );
    reconcile(&request, &context, &client, &patch, &events).await
}

/// At the start, where a change was taken back, when the object's Secret changes, and when a look has found that somebody has changed
/// the table: whatever has become of the table or the status meanwhile is looked at. Nothing is written where all is well.
#[korf::on_resume(DatabaseTable)]
async fn resume_handler(
    request: TableRequest,
    reason: Reason,
    context: State<Context>,
    client: Client,
    patch: ObjectPatch,
    events: EventRecorder,
) -> Result {
    // In an update, the other handler looks.
    if matches!(reason, Reason::Resume | Reason::Triggered) {
        let Status(status) = reconcile(&request, &context, &client, &patch, &events).await?;
        patch.status(status)?;
    }
    Ok(())
}

/// Whether the object's table outlives it, whatever else is wrong with its spec.
fn is_retained(object: Body) -> bool {
    DeletionPolicy::of(&object.value()["spec"]) == Ok(DeletionPolicy::Retain)
}

/// Lets the object go. The database isn't asked, so it may be away; and the table keeps the owner's line, so that an object of
/// this name, and no other, takes it up again.
#[korf::on_delete(DatabaseTable, when = is_retained)]
async fn retain_handler(
    request: TableRequest,
    context: State<Context>,
    gone: Memo<IsDropped>,
    events: EventRecorder,
) {
    context.connections.let_go(request.namespace(), &request.name);
    if gone.lock().0 {
        warn!("The table was dropped before deletionPolicy became Retain.");
        return;
    }
    let table = request.recorded_table();
    match table {
        Some(table) => info!("Kept table {table}, because deletionPolicy is Retain."),
        None => info!("Dropped nothing, because deletionPolicy is Retain."),
    }
    events::of_retention(table).post(&events);
}

/// Whether the object's table is dropped: the policy may become `Retain` just then.
#[derive(Debug, Default)]
struct IsDropped(bool);

#[korf::on_delete(DatabaseTable, when = not(is_retained))]
async fn delete_handler(
    request: TableRequest,
    context: State<Context>,
    client: Client,
    patch: ObjectPatch,
    gone: Memo<IsDropped>,
    events: EventRecorder,
) -> Result {
    log_kopf_line(
        request.is_first,
        format_args!("Delete handler invoked by custom resource {}. Dropping database table.", request.name),
    );
    match drop_table(&request, &context, &client).await {
        Ok(dropped) => {
            gone.replace(IsDropped(matches!(dropped, Dropped::Table(_) | Dropped::Gone(_))));
            let event = events::of_drop(&dropped);
            log_dropped(&dropped, &event);
            event.post(&events);
        }
        Err(error) => return Err(record_failure(&request, &context, error, true, (&patch, &events))?),
    }
    Ok(())
}

/// Creates the table or updates it: the spec is compared with the catalog in both cases, so it doesn't matter
/// where an earlier attempt stopped. If the spec was applied before, what differs is drift.
async fn reconcile(
    request: &TableRequest,
    context: &Context,
    client: &Client,
    patch: &ObjectPatch,
    events: &EventRecorder,
) -> Result<Status<TableStatus>> {
    for warning in request.warnings().iter().filter(|_| request.is_first) {
        warn!("{warning}");
    }
    context.connections.watch().hold(request.namespace(), &request.name, &request.hold());
    let metrics = context.connections.pools().metrics();
    let drift: Mutex<Option<TableEvent>> = Mutex::default();
    let on_drift = |repair: &Repair<'_>| {
        if request.is_news(repair.difference) {
            warn!("{repair}.");
            metrics.note_drift(repair.difference.kind);
            lock(&drift).get_or_insert(events::of_repair(repair));
        }
    };
    let result = apply(request, context, client, &on_drift).await;
    let drift = lock(&drift).take();
    if let Some(every) = context.drift_interval {
        let trigger = request.trigger();
        let call = move |namespace: &str, name: &str| trigger.trigger((namespace, name));
        context.connections.watch_for_drift(every, secrets::in_cluster(client), call);
    }
    match result {
        Ok((mut applied, database, owner)) => {
            // If not, an attempt of before has told it.
            applied.drift = applied.drift.filter(|_| drift.is_some());
            request.mark(true, patch);
            log_applied(&applied);
            request.events_of_success(&applied).into_iter().for_each(|event| event.post(events));
            Ok(Status(request.status_after_success(&applied, database, &owner)))
        }
        Err(error) => {
            if let TableError::Plan(PlanError::Drifted { difference, .. }) = &error {
                if !request.has_drifted() {
                    metrics.note_drift(difference.kind);
                }
            } else if let Some(event) = drift {
                event.post(events);
            }
            Err(record_failure(request, context, error, false, (patch, events))?)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was applied, what the status is to say of the database, and whose the table is.
async fn apply(
    request: &TableRequest,
    context: &Context,
    client: &Client,
    on_drift: OnDrift<'_>,
) -> Result<(Applied, String, Owner), TableError> {
    let table = request.table();
    if let Err(mistake) = table
        && request.former().is_none()
    {
        return Err(mistake.clone().into());
    }
    let secret = request.secret().map_err(Clone::clone)?;
    let cluster = context.cluster.name(client).await.map_err(TableError::ClusterUnknown)?;
    let objects = &beside(api::since(client, &request.version), || request.tables_beside());
    let work = |link: Arc<Link>| async move {
        let claim = request.claim(cluster, &link);
        let claim = Claim { was_applied: request.was_applied(claim.is_first_hand), ..claim };
        let table = match table {
            Ok(table) => table,
            // The next spec that was handled will be this one, which doesn't say what the object's table is.
            Err(mistake) => {
                link.database.take_over(objects, &claim).await?;
                return Err(mistake.clone().into());
            }
        };
        let result = link.database.apply_and_tell(objects, &claim, table, on_drift).await;
        if let Err(TableError::Working(_)) = result {
            link.database.when_settled(&claim.owner, request.wake());
        }
        Ok((result?, link.fingerprint.clone(), claim.owner))
    };
    let secrets = secrets::in_cluster(client);
    context.connections.with(&secrets, secret.as_ref(), Purpose::Apply, work).await
}

async fn drop_table(
    request: &TableRequest,
    context: &Context,
    client: &Client,
) -> Result<Dropped, TableError> {
    request.deletion().map_err(|mistake| TableError::DeletionUnclear(mistake.clone()))?;
    let secret = match request.secret() {
        Ok(secret) => secret,
        // It never had a database.
        Err(error) if !request.has_table() => return Ok(Dropped::NotAsked(error.to_string())),
        Err(error) => return Err(error.clone().into()),
    };
    let cluster = context.cluster.name(client).await.map_err(TableError::ClusterUnknown)?;
    let table = request.table().ok();
    let objects = &api::since(client, &request.version);
    let work = |link: Arc<Link>| async move {
        link.database.drop_table(objects, &request.claim(cluster, &link), table).await
    };
    let secrets = secrets::in_cluster(client);
    match context.connections.with(&secrets, secret.as_ref(), Purpose::Drop, work).await {
        Err(error) if !request.has_table() && error.is_of_no_database() => {
            Ok(Dropped::NotAsked(error.to_string()))
        }
        dropped => dropped,
    }
}

/// Puts the reason into the status, tells it where it is news, and returns the error with what the next attempt waits for.
fn record_failure(
    request: &TableRequest,
    context: &Context,
    error: TableError,
    deleting: bool,
    (patch, events): (&ObjectPatch, &EventRecorder),
) -> Result<Error> {
    let secret = request.secret().ok().flatten();
    let place = context.connections.place(secret.as_ref());
    let error = match request.table() {
        Ok(table) => error.of_table(&table.name.to_string()),
        Err(_) => error,
    };
    let error = error.naming(&place);
    let status = request.status_after_failure(&error, deleting);
    if let Some(event) = request.event_of_failure(&status, deleting) {
        event.post(events);
    }
    patch.status(status)?;
    request.mark(error.wait() == Wait::ForSpec, patch);
    Ok(next_attempt(error, place, request.lasts))
}

/// The error that says what the next attempt waits for: an outage for what is away, or is wrong until someone puts it right; and no
/// failure at all for what goes well. The handler's attempts have lasted for so long.
fn next_attempt(error: TableError, place: Arc<str>, lasts: Duration) -> Error {
    match error.wait() {
        Wait::ForBackoff => Error::from(error),
        Wait::ForDatabase => Error::outage(place, error, AWAY),
        Wait::ForApiServer => Error::outage(error.to_string(), error, AWAY),
        Wait::ForSomeone => Error::outage(error.cause(), error, WRONG),
        Wait::ForWork => Error::waiting(error, lasts.clamp(BEGUN, WORKING)),
        Wait::ForRows | Wait::ForRoom => Error::temporary(error, lasts.clamp(ROWS, MOST_ROWS)),
        Wait::ForSpec => Error::permanent(error),
    }
}

/// The first line of each handler is the Kopf demo's, and so is its logger: Python's root, which knows no
/// objects. In an outage there may be many attempts.
fn log_kopf_line(is_first: bool, line: Arguments<'_>) {
    if is_first {
        info!(target: "root", parent: None, "{line}");
    } else {
        debug!(target: "root", parent: None, "{line}");
    }
}

fn log_applied(applied: &Applied) {
    let table = &applied.table;
    match &applied.outcome {
        Outcome::Created => debug!("Created table {table}."),
        Outcome::ColumnsAdded(columns) => info!("Added to table {table}: {}.", columns.join(", ")),
        Outcome::Changed(changes) => info!("Changed of table {table}: {}.", changes.join("; ")),
        Outcome::Unchanged => debug!("Table {table} is up to date."),
    }
    match applied.adoption {
        Some(Adoption::LineLost) => warn!("Table {table} got {}.", Adoption::LineLost),
        Some(adoption) => info!("Adopted table {table}: {adoption}."),
        None => {}
    }
    for warning in &applied.warnings {
        warn!("Table {table}: {warning}.");
    }
}

fn log_dropped(dropped: &Dropped, event: &TableEvent) {
    match (dropped, event.severity) {
        (Dropped::Table(table), _) => info!("Dropped table {table}."),
        (Dropped::NoTable, _) => info!("The object has no table to drop."),
        (_, Severity::Warning) => warn!("{}.", event.message),
        (_, Severity::Normal) => info!("{}.", event.message),
    }
}

#[cfg(test)]
mod tests;
