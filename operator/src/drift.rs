//! Drift: looks from time to time whether tables still are as their objects ask, and gives those that aren't a turn.
//!
//! A look only finds candidates. It takes no lock and holds up nobody, and the planner, which judges each table, is given what the
//! last plan was made with. What is done about a difference, the object's handler decides, by a plan under the lock.

mod look;
mod rounds;
mod watch;

use crate::{
    catalog::{FoundIndexes, Generated, Relation, Weight},
    plan::{self, Claim, Compared, Difference, Found, ResolvedTable},
};
pub use look::MOST_AT_ONCE;
pub(crate) use look::look;
pub use rounds::interval;
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};
pub use watch::{Held, Hold, Name, Watch};

/// What a table's last plan was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The table that the spec asks for.
    pub wanted: ResolvedTable,
    /// The object's claim to it.
    pub claim: Claim,
    /// What columns were generated from, by the numbers of these expressions.
    pub expressions: BTreeMap<u32, String>,
}

/// What a look says of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as its object asks.
    AsAsked,
    /// A plan will tell: what a column is generated from can't be read without a lock.
    Unclear,
    /// It isn't.
    Differs(Difference),
}

impl Watched {
    /// What a plan is made with.
    pub fn new(wanted: &ResolvedTable, found: &Found, claim: &Claim) -> Self {
        let details = found.here.iter().filter_map(|relation| relation.details.as_ref());
        let columns = details.flat_map(|details| details.columns.values());
        let expressions =
            columns.filter_map(|column| Some((column.expression_id?, column.expression.clone()?)));
        let claim = Claim {
            was_applied: false,
            former: None,
            too_slow: None,
            was_held: false,
            asks_first: false,
            ..claim.clone()
        };
        Self { wanted: wanted.clone(), expressions: expressions.collect(), claim }
    }

    /// The same once the table is as the object asks.
    #[must_use]
    pub fn applied(self) -> Self {
        let claim = Claim {
            table: Some(self.wanted.place.qualified.clone()),
            columns: self.wanted.column_names(),
            is_elsewhere: false,
            is_first_hand: true,
            ..self.claim
        };
        Self { claim, ..self }
    }
}

/// Judges what a look has found, or a plan.
pub fn judge(watched: &Watched, found: &Found) -> Verdict {
    let Some(found) = known(watched, found) else { return Verdict::Unclear };
    let Watched { wanted, claim, .. } = watched;
    let planned = plan::plan(wanted.clone(), &found, claim);
    Compared { wanted, found: &found }.difference(&planned).map_or(Verdict::AsAsked, Verdict::Differs)
}

/// What a look sees of what was found, with what was known before of expressions; `None` if that isn't enough.
fn known(watched: &Watched, found: &Found) -> Option<Found> {
    let mut here = found.here.clone();
    if let Some(Relation { details: Some(details), columns, .. }) = &mut here {
        details.weight = Weight::default();
        let is_generated = |name: &String| {
            columns.iter().any(|column| {
                column.name == *name && matches!(column.generated, Generated::Stored | Generated::Virtual)
            })
        };
        for (_, detail) in details.columns.iter_mut().filter(|(name, _)| is_generated(name)) {
            if let (Some(id), None) = (detail.expression_id, &detail.expression) {
                detail.expression = Some(watched.expressions.get(&id)?.clone());
            }
        }
    }
    let indexes = FoundIndexes { taken: Vec::new(), ..found.indexes.clone() };
    Some(Found { here, indexes, ..Found::default() })
}

impl Verdict {
    /// A number that tells verdicts apart; `None` for a table that is as its object asks.
    fn sum(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        match self {
            Self::AsAsked => return None,
            Self::Unclear => 0.hash(&mut hasher),
            Self::Differs(difference) => difference.hash(&mut hasher),
        }
        Some(hasher.finish())
    }
}

#[cfg(test)]
mod tests;
