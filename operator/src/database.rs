//! Transactions that make a table match its spec, and that drop it.
//!
//! What may take long follows the transaction in [steps].
//!
//! No transaction waits long for a lock, because everyone else who wants the table would wait behind it. An
//! advisory lock on the table's name is held while deciding who owns the table, so that two objects can't
//! both find it free.
//!
//! Connecting may take long, and meanwhile the object may be deleted by force and created again. So the
//! transaction asks, under that lock, whether the object still exists: before every drop, and before it
//! changes a table whose comment has another uid. An object created after the answer finds the table dropped,
//! and creates its own.

mod common;
mod preview;
mod removal;
mod seen;

use crate::{
    api::Objects,
    background::{Background, Doing, Lane, Progress},
    catalog::{self, Head, Place},
    ddl,
    drift::{self, MOST_AT_ONCE, Watch, Watched},
    error::{DatabaseError, TableError},
    forms::{self, KnownForms},
    handover::{self, Former},
    identifier::split_qualified,
    marker::Owner,
    metrics::Metrics,
    outcome::{Adoption, Applied, Dropped},
    owners::Owners,
    plan::{self, Claim, Compared, Difference, DriftHint, Found, Plan, PlanError, Repair, ResolvedTable},
    pool::Pool,
    spec::{AdoptionPolicy, Table},
    sqlstate::Step,
    steps::{self, Task},
    transaction::{Transaction, transact},
    triggers,
    types::{self, KnownTypes},
    warning::{self, Warning},
};
pub use common::Common;
use futures::{join, try_join};
pub use preview::Preview;
pub(crate) use seen::{Seen, look, needs_details, needs_indexes};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

/// The time limit of both attempts at a transaction, including the wait for a connection.
const LIMIT: Duration = Duration::from_secs(120);

/// The most times that a table is looked at again because something was done that takes long.
const MOST_ROUNDS: usize = 4;

/// What is called when something that somebody has changed is found, and begins to be put right.
pub type OnDrift<'a> = &'a (dyn Fn(&Repair<'_>) + Sync);

/// A plan, and what else matters to its end.
struct Planned {
    /// The plan, and what of it puts right what somebody has changed.
    plan: Result<(Plan, Option<Difference>), PlanError>,
    found: Found,
    /// What it was made with.
    watched: Watched,
    warnings: Vec<Warning>,
    /// Whether event triggers fire after its statements.
    has_triggers: bool,
    /// Whether it sets the default of a column that is there, before the policy is asked.
    sets_defaults: bool,
}

/// A table after the changes for which a transaction will do.
struct Changed {
    /// What it is once the steps are carried out, too.
    applied: Applied,
    task: Task,
    /// What is left to be done.
    steps: Vec<plan::Step>,
    /// What of that puts right what somebody has changed.
    left: Option<Difference>,
}

/// The database of all tables, and what is known of it.
#[derive(Debug)]
pub struct Database {
    pool: Pool,
    owners: Owners,
    types: KnownTypes,
    forms: KnownForms,
    background: Arc<Background>,
    lane: Lane,
    watch: Watch,
}

impl Database {
    /// The database that a pool connects to.
    pub fn new(pool: Pool) -> Self {
        Common::new(pool.counts().limit, pool.metrics()).database(pool, None)
    }

    /// The tables that are looked at.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Looks whether the tables that are watched here are as their objects ask, and calls this with the namespace and the name
    /// of each object that has to have a turn. It changes nothing, and waits for no lock.
    ///
    /// # Errors
    ///
    /// [`TableError`]: those that were looked at before it have had their turns.
    pub async fn look_for_drift(&self, call: &(impl Fn(&str, &str) + Sync)) -> Result<(), TableError> {
        let watched = self.watch.begin();
        for some in watched.chunks(MOST_AT_ONCE) {
            let all: Vec<&Watched> = some.iter().map(|watched| &**watched).collect();
            let found = run(self.pool.metrics(), || {
                transact(&self.pool, async |tx: &Transaction<'_>| drift::look(tx, &all).await)
            })
            .await?;
            for (watched, found) in some.iter().zip(&found) {
                let owner = &watched.claim.owner;
                if self.watch.note_verdict(watched, &drift::judge(watched, found)) {
                    call(&owner.namespace, &owner.name);
                }
            }
        }
        Ok(())
    }

    /// Makes an object's table match its spec: creates it, changes it, or finds that it matches already.
    ///
    /// What may take long goes on [in the background](crate::background): if it isn't over in a moment, this returns
    /// [`TableError::Working`], and is to be called again.
    ///
    /// Calling it again is always safe, also after a crash at any point.
    ///
    /// # Errors
    ///
    /// [`TableError`]; then the database is unchanged, unless the connection broke during the commit, or a step behind it failed.
    /// The next call finds out.
    pub async fn apply(
        &self,
        objects: &impl Objects,
        claim: &Claim,
        table: &Table,
    ) -> Result<Applied, TableError> {
        self.apply_and_tell(objects, claim, table, &|_| ()).await
    }

    /// The same as [`apply`](Self::apply), and calls this for what somebody has changed, before what may take long is begun.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply), also after it was called.
    pub async fn apply_and_tell(
        &self,
        objects: &impl Objects,
        claim: &Claim,
        table: &Table,
        on_drift: OnDrift<'_>,
    ) -> Result<Applied, TableError> {
        match self.mark_former(objects, claim).await? {
            Former::Nothing => self.apply_own(objects, claim, table, on_drift).await,
            Former::Strange(error) if claim.adoption == AdoptionPolicy::Never => Err(error.into()),
            // It is the spec that it may differ from: the other operator didn't apply all of it.
            former => {
                let claim = &Claim { was_applied: false, ..claim.clone() };
                let applied = self.apply_own(objects, claim, table, on_drift).await?;
                let handed_over = matches!(former, Former::Marked).then_some(Adoption::HandedOver);
                Ok(Applied { adoption: handed_over.or(applied.adoption), ..applied })
            }
        }
    }

    async fn apply_own(
        &self,
        objects: &impl Objects,
        claim: &Claim,
        table: &Table,
        on_drift: OnDrift<'_>,
    ) -> Result<Applied, TableError> {
        let owner = &claim.owner;
        self.settle(owner, table).await?;
        let mut first = None;
        for _ in 0..MOST_ROUNDS {
            let Changed { applied, task, steps, left } = self.change(objects, claim, table, on_drift).await?;
            let (outcome, drift) =
                first.get_or_insert_with(|| (applied.outcome.clone(), applied.drift.clone()));
            if steps.is_empty() {
                return Ok(Applied { outcome: outcome.clone(), drift: drift.clone(), ..applied });
            }
            let doing = Doing {
                table: task.place.qualified.clone(),
                what: steps[0].what.clone(),
                drift: drift.as_ref().map(Difference::in_words),
            };
            let pool = self.pool.clone();
            let work = async move {
                steps::run(&pool, &task, &steps).await.map_err(|error| match &left {
                    Some(left) => error.of_repair(&task.place.qualified, left, DriftHint::Rows),
                    None => error,
                })
            };
            self.background.begin(self.lane, owner, table, doing, work);
            self.settle(owner, table).await?;
        }
        Err(DatabaseError::never_settles().into())
    }

    /// Waits a moment for what is being done to an object's table, if that is what its spec asks for.
    async fn settle(&self, owner: &Owner, table: &Table) -> Result<(), TableError> {
        match self.background.look(owner, table).await {
            None => Ok(()),
            Some(Progress::Over(result)) => result,
            Some(Progress::Going(what)) => Err(TableError::Working(what)),
        }
    }

    /// Calls this when what is being done to an object's table is over.
    pub fn when_settled(&self, owner: &Owner, call: impl FnOnce() + Send + 'static) {
        self.background.when_over(owner, call);
    }

    /// Makes the changes for which a transaction will do, and returns the steps that are left, and what they are done for.
    async fn change(
        &self,
        objects: &impl Objects,
        claim: &Claim,
        table: &Table,
        on_drift: OnDrift<'_>,
    ) -> Result<Changed, TableError> {
        let has_asked_again = &AtomicBool::new(false);
        run(self.pool.metrics(), || {
            transact(&self.pool, async |tx: &Transaction<'_>| {
                let Planned { plan, found, watched, warnings, has_triggers, sets_defaults } =
                    self.plan(tx, objects, claim, table, on_drift).await?;
                // What is remembered of a literal may be of a former time zone.
                if claim.was_applied && sets_defaults && !has_asked_again.swap(true, Relaxed) {
                    self.forms.forget();
                    return Err(DatabaseError::outdated().into());
                }
                if let Err(PlanError::Disputed { dispute, .. }) = &plan
                    && let Some(comment) = &dispute.claim
                {
                    let place = &watched.wanted.place;
                    tx.commit(Step::Change, &[ddl::comment(place, comment)]).await?;
                }
                let (mut plan, drift) = plan
                    .map_err(TableError::from)
                    .inspect_err(|error| self.note_refused(&watched, &found, error))?;
                let present = found.here.as_ref().and_then(|here| here.head.comment.as_deref());
                let number = steps::number();
                let only_ends_work = plan.only_ends_work(&claim.owner, present);
                plan.begin_work(&number, &claim.owner, present);
                let statements = ddl::statements(&plan);
                if !statements.is_empty() {
                    self.owners.note(&claim.owner);
                }
                let begun = Instant::now();
                let made = if has_triggers && !statements.is_empty() {
                    triggers::change(tx, &plan, &claim.owner).await
                } else {
                    tx.commit(Step::Change, &statements).await.map_err(TableError::from)
                };
                // The table is as the spec asks, and who holds it for hours (a VACUUM, say) is no trouble with it. The next look has
                // that number to take out again.
                let is_held = only_ends_work && made.as_ref().is_err_and(TableError::is_locked);
                let made = if is_held { Ok(()) } else { made };
                made.map_err(|error| in_time(error, begun.elapsed(), &plan))
                    .map_err(|error| match &drift {
                        Some(drift) => error.of_repair(&plan.table.place.qualified, drift, DriftHint::Lossy),
                        None => error,
                    })
                    .inspect_err(|error| self.note_refused(&watched, &found, error))?;
                let compared = Compared { wanted: &watched.wanted, found: &found };
                let left = drift.as_ref().and_then(|_| compared.behind_changes(&plan));
                let (owner, place) = (claim.owner.clone(), plan.table.place.clone());
                let held = self.watch.held(&owner.namespace, &owner.name);
                let task = Task { owner, number, place, held, asks_first: claim.asks_first };
                let steps = plan.steps.clone();
                if let Some(difference) = &drift {
                    on_drift(&Repair { table: &task.place.qualified, difference, is_over: steps.is_empty() });
                }
                match steps.is_empty() {
                    true => self.watch.note_applied(watched),
                    // Until they are over, it isn't.
                    false => self.watch.leave_alone(&claim.owner.namespace, &claim.owner.name),
                }
                Ok(Changed { applied: Applied { drift, ..Applied::new(plan, warnings) }, task, steps, left })
            })
        })
        .await
    }

    /// Of what others can put right in the database, a look tells when they have. For the rest, the handler is called again.
    fn note_refused(&self, watched: &Watched, found: &Found, error: &TableError) {
        if let TableError::Plan(
            PlanError::Incompatible { .. }
            | PlanError::Renamed { .. }
            | PlanError::TooSlow { .. }
            | PlanError::Drifted { .. },
        ) = error
        {
            self.watch.note_refused(watched.clone(), found);
        }
    }

    /// Takes over the table that another operator has made for the object, if there is one.
    ///
    /// # Errors
    ///
    /// [`TableError`], also if the table isn't as that operator has made it.
    pub async fn take_over(&self, objects: &impl Objects, claim: &Claim) -> Result<(), TableError> {
        match self.mark_former(objects, claim).await? {
            Former::Strange(error) => Err(error.into()),
            Former::Marked | Former::Nothing => Ok(()),
        }
    }

    async fn mark_former(&self, objects: &impl Objects, claim: &Claim) -> Result<Former, TableError> {
        let Some(former) = claim.former.as_ref().filter(|_| !claim.is_elsewhere) else {
            return Ok(Former::Nothing);
        };
        run(self.pool.metrics(), || {
            transact(&self.pool, async |tx: &Transaction<'_>| {
                handover::mark(tx, objects, claim, former, (&self.types, &self.owners)).await
            })
        })
        .await
    }

    async fn plan(
        &self,
        tx: &Transaction<'_>,
        objects: &impl Objects,
        claim: &Claim,
        table: &Table,
        on_drift: OnDrift<'_>,
    ) -> Result<Planned, TableError> {
        // The table stays where the status says that it is, whatever the search path has become since. The spec may have another
        // schema: then it doesn't move either.
        let recorded = claim.table.as_deref().and_then(split_qualified);
        let recorded = recorded.filter(|(_, name)| name == table.name.as_str()).map(|(schema, _)| schema);
        let asked = table.schema.as_ref().map(|name| name.as_str().to_owned());
        let is_asked = asked.is_some();
        let schema = asked.or(recorded);
        let (begun, confirmed, seen) = join!(
            tx.begin(),
            self.types.confirm(tx, &table.columns),
            look(tx, schema.as_deref(), &table.name),
        );
        begun.map_err(DatabaseError::of_first_statement)?;
        // Before what was sent behind it, which its failure has aborted.
        let confirmed = confirmed.map_err(|error| {
            self.types.forget();
            DatabaseError::worth_another(Step::Read, error)
        })?;
        let mut seen = seen?;
        // One that has lost its line hasn't moved.
        let has_lost = seen.place.as_ref().zip(seen.head.as_ref());
        let has_lost = has_lost.is_some_and(|(place, head)| claim.has_lost(head, &place.qualified));
        if schema.is_some() && !is_asked && !has_lost && !is_owned(seen.head.as_ref(), &claim.owner) {
            seen = look(tx, None, &table.name).await?;
        }
        let mut columns = types::resolve(tx, &table.columns, &self.types, confirmed).await?;
        forms::resolve(tx, &mut columns, &self.forms).await?;
        let mut elsewhere = match has_lost {
            // What this process knows may be minutes old.
            true => catalog::tables_of(tx, &claim.owner).await?,
            false => self.elsewhere(tx, seen.head.as_ref(), claim).await?,
        };
        // So does one that only its comment tells.
        if let [moved] = &*elsewhere
            && moved.name == table.name.as_str()
            && !is_asked
        {
            seen = look(tx, Some(&moved.schema), &table.name).await?;
            if !is_owned(seen.head.as_ref(), &claim.owner) {
                return Err(DatabaseError::keeps_moving().into());
            }
            elsewhere.clear();
        }
        let Seen { place, head, has_triggers } = seen;
        let place = place.ok_or(TableError::NoSchema)?;
        if head.is_none() {
            types::check_key(tx, &columns, table).await?;
        }
        let wanted = ResolvedTable {
            place,
            columns,
            primary_key: table.primary_key.clone(),
            indexes: table.indexes.clone(),
            creates_schema: table.create_schema,
        };
        let schema = async {
            match is_asked && head.is_none() {
                true => catalog::schema_name(tx, &wanted.place.schema).await.map(Some),
                false => Ok(None),
            }
        };
        let (mut indexes, schema) = try_join!(seen::indexes(tx, head.as_ref(), &wanted), schema)?;
        let missing = schema.filter(|name| !name.is_schema);
        let here = seen::relation(tx, head, &wanted, claim).await?;
        if let Some(relation) = here.as_ref().filter(|relation| plan::lacks_key(&wanted, relation)) {
            indexes = seen::indexes_beside_key(tx, relation, &wanted).await?;
        }
        let publications = seen::publications(tx, &wanted.place, here.as_ref(), table).await?;
        let elsewhere = elsewhere.into_iter().map(|place| place.qualified).collect();
        let (lacks_schema, lacks_schema_of_role) =
            (missing.is_some(), missing.is_some_and(|name| name.is_role));
        let found = Found { here, elsewhere, publications, indexes, lacks_schema, lacks_schema_of_role };
        let watched = Watched::new(&wanted, &found, claim);
        let planned = plan::plan(wanted, &found, claim);
        let sets_defaults = planned.as_ref().is_ok_and(Plan::sets_defaults);
        let plan = match claim.was_applied {
            true => plan::decide(Compared { wanted: &watched.wanted, found: &found }, planned, claim.drift),
            false => planned.map(|plan| (plan, None)),
        };
        let plan = plan.and_then(|(plan, difference)| match (plan::hold_back(plan, claim), difference) {
            (Ok(plan), difference) => Ok((plan, difference)),
            (Err(error), Some(difference)) => Err(plan::obstructed(&difference, error)),
            (Err(error), None) => Err(error),
        });
        let plan = match plan {
            Ok((plan, difference)) if claim.table.is_some() && plan.creates_table() => {
                let beside = objects.tables_beside();
                let there = catalog::how_many_exist(tx, &beside).await?;
                let missing = plan::Missing {
                    missing: beside.len().saturating_sub(there) + 1,
                    known: beside.len() + 1,
                };
                let compared = Compared { wanted: &watched.wanted, found: &found };
                let is_missing = difference.clone().or_else(|| compared.difference(&Ok(plan.clone())));
                match is_missing.map(|is_missing| plan::hold(&plan, is_missing, missing, claim)) {
                    Some(Err(error)) => Err(error),
                    _ => Ok((plan, difference)),
                }
            }
            plan => plan,
        };
        if let (Ok((plan, drift)), Some(relation)) = (&plan, &found.here)
            && plan.needs_lock()
            && !plan.only_ends_work(&claim.owner, relation.head.comment.as_deref())
            && catalog::is_busy(tx, relation.head.oid).await?
        {
            if let Some(difference) = drift {
                on_drift(&Repair { table: &plan.table.place.qualified, difference, is_over: false });
            }
            // All readers would wait behind one who waits for that lock.
            return Err(PlanError::Busy { table: plan.table.place.qualified.clone() }.into());
        }
        let names_another = match &plan {
            Ok((plan, _)) => plan.takes_over,
            Err(PlanError::Disputed { dispute, .. }) => dispute.claim.is_some(),
            Err(_) => false,
        };
        if names_another && !objects.exists(&claim.owner).await.map_err(TableError::ObjectUnknown)? {
            return Err(TableError::ObjectGone { table: watched.wanted.place.qualified });
        }
        let warnings = warning::warnings(table, &watched.wanted, &found);
        Ok(Planned { plan, found, watched, warnings, has_triggers, sets_defaults })
    }

    /// The object's tables of other names or in other schemas, unless the one that was found is its own.
    async fn elsewhere(
        &self,
        sql: &Client,
        here: Option<&Head>,
        claim: &Claim,
    ) -> Result<Vec<Place>, TableError> {
        // Rarely needed, and it reads all comments in the database. What the status names may be another process's work.
        let owner = &claim.owner;
        if is_owned(here, owner) || (claim.table.is_none() && !self.owners.may_have_table(sql, owner).await?)
        {
            return Ok(Vec::new());
        }
        Ok(catalog::tables_of(sql, owner).await?)
    }

    /// Drops the table of a deleted object, without CASCADE.
    ///
    /// The object's line in the comment tells which table that is, whatever its name: the spec may have changed
    /// since, and the status may never have been written. Among several tables with the line, the status decides,
    /// and then the name and the schema in the spec.
    ///
    /// # Errors
    ///
    /// [`TableError`]; then no table was dropped. A missing table isn't an error.
    pub async fn drop_table(
        &self,
        objects: &impl Objects,
        claim: &Claim,
        table: Option<&Table>,
    ) -> Result<Dropped, TableError> {
        self.background.give_up(&claim.owner.namespace, &claim.owner.name);
        self.watch.forget(&claim.owner.namespace, &claim.owner.name);
        self.take_over(objects, claim).await?;
        run(self.pool.metrics(), || {
            transact(&self.pool, async |tx: &Transaction<'_>| {
                let dropped = removal::drop_once(tx, objects, claim, table).await?;
                plan::check_dropped(&dropped, claim)?;
                Ok(dropped)
            })
        })
        .await
    }
}

/// Whether a table is there and its comment names the owner.
fn is_owned(head: Option<&Head>, owner: &Owner) -> bool {
    head.is_some_and(|head| head.is_owned_by(owner))
}

/// An error of changes that took this long. Those of a table that is there are held back if they take too long.
fn in_time(error: TableError, elapsed: Duration, plan: &Plan) -> TableError {
    if !error.is_of_statement_limit(elapsed) || plan.changes.contains(&plan::Change::CreateTable) {
        return error;
    }
    plan::too_slow(plan).into()
}

/// Runs a transaction, and once more if the catalog has changed meanwhile.
async fn run<T, F>(metrics: &Metrics, transaction: impl Fn() -> F) -> Result<T, TableError>
where
    F: Future<Output = Result<T, TableError>>,
{
    let once = async || {
        let begun = Instant::now();
        let result = transaction().await;
        metrics.note_transaction(result.as_ref().err(), begun.elapsed());
        result
    };
    let twice = async {
        match once().await {
            Err(error) if error.is_stale() => once().await.map_err(TableError::again),
            result => result,
        }
    };
    match timeout(LIMIT, twice).await {
        Ok(result) => result,
        Err(_) => Err(DatabaseError::no_answer(LIMIT).into()),
    }
}
