//! Compares the columns of a spec with those of the table.
//!
//! What loses nothing is a change or a step; what may lose something is refused, with the statement that would do it. Of what a
//! spec doesn't say, only what an earlier spec has set is taken back.

mod computed;
mod cost;
mod rename;
mod widening;

use super::{Change, Held, IncompatibleChange, Refused, ResolvedTable, Step, Turn, lacks_key};
use crate::{
    catalog::{CatalogColumn, ColumnDetail, Details, FoundIndexes, Generated, Relation, UniqueIndex},
    ddl::{self, TakenNames},
    marker::{FromSpec, Setting},
    spec::{DefaultValue, Values},
    types::ResolvedColumn,
};
pub use cost::{Cause, is_quick};
pub use rename::renamed;
use std::collections::BTreeSet;
use widening::lengthens;
pub use widening::widens;

/// The differences between a spec and a table.
#[derive(Debug, Default)]
pub struct Differences {
    /// What is done.
    pub changes: Vec<Change>,
    /// What is done afterwards.
    pub steps: Vec<Step>,
    /// What is refused, and the statements that would do it.
    pub refused: Vec<Refused>,
    /// The columns that aren't UNIQUE any more once a step has dropped their index, and the index, both exact.
    pub unbound: Vec<(String, String)>,
    /// The index, exact, that can't be dropped, because replication tells rows apart by it.
    pub in_use: Option<String>,
    /// The columns that what is refused would drop, or drop and add again, exact.
    pub dropped: BTreeSet<String>,
    /// The columns that are to have another type, exact.
    pub retyped: BTreeSet<String>,
}

/// Whether the details of a table are needed although the spec has only types: the type of a column may have to become wider, the
/// table lacks its key, or its [weight](needs_weight) matters.
pub fn needs_details(wanted: &ResolvedTable, relation: &Relation) -> bool {
    lacks_key(wanted, relation) || needs_weight(wanted, relation)
}

/// Whether the [`Weight`](crate::catalog::Weight) of a table matters: a change may go through all rows.
pub fn needs_weight(wanted: &ResolvedTable, relation: &Relation) -> bool {
    wanted.columns.iter().any(|column| match find(relation, column) {
        Some(found) => !is_same_type(column, found),
        None => column.settings.renamed_from.is_some() || cost::may_write(column),
    })
}

/// Compares the columns. `owned` are those that came from the spec, and `indexes` those of the table, with the names that others
/// have.
pub fn compare(
    wanted: &ResolvedTable,
    relation: &Relation,
    owned: &FromSpec,
    indexes: &FoundIndexes,
) -> Differences {
    let taken = TakenNames::of(&wanted.indexes, indexes);
    let nothing = Details::default();
    let details = relation.details.as_ref().unwrap_or(&nothing);
    let unknown = ColumnDetail::default();
    let detail_of = |found: &CatalogColumn| details.columns.get(&found.name).unwrap_or(&unknown);
    let in_spec =
        |found: &CatalogColumn| wanted.columns.iter().find(|column| column.name.as_str() == found.name);
    let is_retyped = |found: &&CatalogColumn| {
        in_spec(found).is_some_and(|column| computed::is_retyped(column, found, detail_of(found)))
    };
    let retyped = relation.columns.iter().filter(is_retyped).map(|found| found.name.clone()).collect();
    let mut differences = Differences::default();
    for found in &relation.columns {
        match in_spec(found) {
            Some(column) => {
                let (detail, taken, retyped) = (detail_of(found), &taken, &retyped);
                let comparison =
                    Comparison { wanted, column, found, relation, details, detail, owned, taken, retyped };
                comparison.compare(&mut differences);
            }
            None if owned.columns.contains(&found.name) => {
                let turn = if computed::is_computed(found) { Turn::Drop } else { Turn::Alter };
                let dropped = Held::new(turn, ddl::drop_column(&wanted.place, &found.name));
                let change = IncompatibleChange::Removed { column: found.name.clone() };
                differences.refused.push((change, vec![dropped]));
            }
            None => {}
        }
    }
    for column in wanted.columns.iter().filter(|column| find(relation, column).is_none()) {
        add(wanted, column, details, &taken, &mut differences);
    }
    let held: BTreeSet<_> =
        differences.refused.iter().flat_map(|(_, held)| held).map(|held| &held.statement).collect();
    let is_dropped = |found: &&CatalogColumn| held.contains(&ddl::drop_column(&wanted.place, &found.name));
    let dropped = relation.columns.iter().filter(is_dropped).map(|found| found.name.clone()).collect();
    Differences { dropped, retyped, ..differences }
}

/// The changes and steps that create the table.
pub fn create(wanted: &ResolvedTable) -> Vec<Change> {
    let comments = wanted.columns.iter().filter_map(comment_of_new);
    [Change::CreateTable].into_iter().chain(comments).collect()
}

fn find<'r>(relation: &'r Relation, column: &ResolvedColumn) -> Option<&'r CatalogColumn> {
    relation.columns.iter().find(|found| found.name == column.name.as_str())
}

fn add(
    wanted: &ResolvedTable,
    column: &ResolvedColumn,
    details: &Details,
    taken: &TakenNames,
    differences: &mut Differences,
) {
    let weight = &details.weight;
    if let Some(cause) = cost::of_new(column, weight)
        && !is_quick(weight)
    {
        let change = IncompatibleChange::Rewrite { column: column.name.clone(), cause, bytes: weight.bytes };
        let added = Held::new(Turn::of_new(column), ddl::add_column(&wanted.place, column));
        differences.refused.push((change, vec![added]));
        return;
    }
    differences.changes.push(Change::AddColumn(column.clone()));
    differences.changes.extend(comment_of_new(column));
    if column.settings.unique {
        differences.steps.extend(ddl::unique(&wanted.place, &column.name, &ColumnDetail::default(), taken));
    }
}

fn comment_of_new(column: &ResolvedColumn) -> Option<Change> {
    let text = column.settings.comment.clone().filter(|text| !text.is_empty())?;
    Some(Change::Comment { column: column.name.clone(), text })
}

/// Whether the spec has the type of the column. Whether somebody has given an integer a sequence of its own is no change of it.
fn is_same_type(column: &ResolvedColumn, found: &CatalogColumn) -> bool {
    column.type_.id.stores_as(found.type_id) && (found.serial || !column.type_.serial)
}

/// A column of the spec beside that of the table.
struct Comparison<'a> {
    wanted: &'a ResolvedTable,
    column: &'a ResolvedColumn,
    found: &'a CatalogColumn,
    relation: &'a Relation,
    details: &'a Details,
    detail: &'a ColumnDetail,
    owned: &'a FromSpec,
    taken: &'a TakenNames,
    /// The columns that are to have another type, exact.
    retyped: &'a BTreeSet<String>,
}

impl Comparison<'_> {
    fn compare(&self, differences: &mut Differences) {
        let refused = [self.type_(differences), self.values(differences), self.collation()];
        differences.refused.extend(refused.into_iter().flatten());
        self.default(differences);
        self.null(differences);
        self.unique(differences);
        self.comment(differences);
    }

    fn alter(&self, what: &str) -> String {
        ddl::alter_table(&self.wanted.place, &[format!("ALTER COLUMN {} {what}", self.column.name)])
    }

    /// Whether an earlier spec has set something, or an earlier attempt for this one.
    fn is_left(&self, setting: Setting) -> bool {
        self.owned.has_set(&self.found.name, setting)
    }

    fn type_(&self, differences: &mut Differences) -> Option<Refused> {
        if is_same_type(self.column, self.found) {
            return None;
        }
        let (column, to) = (self.column.name.clone(), self.column.type_.sql().to_owned());
        let is_wider = widens(self.found.type_id, self.column.type_.id)
            || lengthens(self.found.type_id, self.column.type_.id);
        if self.is_recomputed() && is_wider {
            return None;
        }
        let again = self.again();
        if !self.column.type_.serial && widens(self.found.type_id, self.column.type_.id) {
            let collation = self.detail.collation.clone();
            let from = self.found.type_name.clone();
            let (change, weight) =
                (Change::Widen { column, from, type_: to, collation }, &self.details.weight);
            let cause = cost::of_wider(&self.found.name, weight).filter(|_| !is_quick(weight));
            let bytes = weight.bytes;
            return self.widened(vec![change], cause.map(|cause| (cause, bytes)), differences);
        }
        if lengthens(self.found.type_id, self.column.type_.id)
            && (self.found.serial || !self.column.type_.serial)
        {
            return self.longer(differences);
        }
        let from = self.found.type_name.clone();
        let change = IncompatibleChange::TypeChanged { column, from, to };
        if self.is_computed_in_spec() {
            return Some((change, self.recomputed()));
        }
        let is_other = !self.column.type_.id.stores_as(self.found.type_id);
        let mut statements: Vec<_> = is_other.then(|| self.altered()).into_iter().collect();
        if self.column.type_.serial && !self.found.serial {
            statements.extend(ddl::serial(&self.wanted.place, self.column));
        }
        Some((change, Held::all(Turn::Alter, statements).into_iter().chain(again).collect()))
    }

    /// The statement that gives the column another type. The server can't give each default another one, so that goes first, and
    /// comes back at the end.
    fn altered(&self) -> String {
        let (column, name) = (&self.column.name, &self.column.type_.name);
        let collation = self.column.settings.collation.as_ref().map(|wanted| format!(" COLLATE {wanted}"));
        let collation = collation.unwrap_or_default();
        let alter = |what: String| format!("ALTER COLUMN {column} {what}");
        let type_ = alter(format!("TYPE {name}{collation} USING {column}::{name}"));
        let is_plain =
            self.found.generated == Generated::No && !self.found.serial && self.detail.identity.is_none();
        let Some(default) = self.detail.expression.as_ref().filter(|_| is_plain) else {
            return ddl::alter_table(&self.wanted.place, &[type_]);
        };
        let settings = &self.column.settings;
        let stays = settings.values == Values::Written
            && !self.column.type_.serial
            && !self.is_left(Setting::Default);
        let after = match &settings.default {
            Some(DefaultValue::Null) => None,
            Some(wanted) => Some(alter(format!("SET DEFAULT {wanted}"))),
            None => stays.then(|| alter(format!("SET DEFAULT ({default})::{name}"))),
        };
        let lines = [alter("DROP DEFAULT".to_owned()), type_].into_iter().chain(after);
        ddl::alter_table(&self.wanted.place, &lines.collect::<Vec<_>>())
    }

    /// A wider type: it is done, unless it goes through many rows, or other columns are made of this one.
    fn widened(
        &self,
        changes: Vec<Change>,
        cost: Option<(Cause, i64)>,
        differences: &mut Differences,
    ) -> Option<Refused> {
        let again = self.again();
        let (column, to) = (self.column.name.clone(), self.column.type_.name.clone());
        let change = match cost {
            Some((cause, bytes)) => IncompatibleChange::Rewrite { column, cause, bytes },
            None if again.is_empty() => {
                differences.changes.extend(changes);
                return None;
            }
            None => IncompatibleChange::Sources { column, to, computed: self.computed_of() },
        };
        let held = Held::all(Turn::Alter, ddl::changes_of(self.wanted, &changes));
        Some((change, held.into_iter().chain(again).collect()))
    }

    /// A longer integer: all rows are written again, so it is done where there are few. The sequence of a `serial` would stay
    /// short.
    fn longer(&self, differences: &mut Differences) -> Option<Refused> {
        let (column, type_) = (self.column.name.clone(), self.column.type_.name.clone());
        let from = self.found.type_name.clone();
        let mut changes =
            vec![Change::Widen { column: column.clone(), from, type_: type_.clone(), collation: None }];
        let sequence = self.details.weight.sequences.get(&self.found.name);
        if let Some((sequence, of)) = sequence
            && lengthens(*of, self.column.type_.id)
        {
            let (column, sequence, type_) = (column.clone(), sequence.clone(), type_.clone());
            changes.push(Change::WidenSequence { column, sequence, type_ });
        }
        let (cause, weight) = cost::of_longer(&self.found.name, &type_, &self.details.weight);
        let cost = (!is_quick(&weight)).then_some((cause, weight.bytes));
        self.widened(changes, cost, differences)
    }

    fn values(&self, differences: &mut Differences) -> Option<Refused> {
        let column = self.column.name.clone();
        let (by, found) = (self.found.generated, self.detail.expression.clone().unwrap_or_default());
        match (&self.column.settings.values, by) {
            (Values::Written | Values::Identity(_), Generated::Stored | Generated::Virtual) => {
                let statements = match by {
                    // Its values are nowhere.
                    Generated::Virtual => ddl::stored(&self.wanted.place, self.column),
                    _ => vec![self.alter("DROP EXPRESSION")],
                };
                Some((IncompatibleChange::Generated { column, by }, Held::all(Turn::Release, statements)))
            }
            (Values::Generated(_), _) if !self.has_other_expression() => None,
            (Values::Generated(expression), _) => {
                let computed = matches!(by, Generated::Stored | Generated::Virtual);
                let from = computed.then_some(found);
                let to = expression.to_string();
                let held = self.recomputed().into_iter().chain(self.again()).collect();
                Some((IncompatibleChange::Expression { column, from, to }, held))
            }
            (Values::Identity(wanted), _) => match self.detail.identity {
                Some(found) if found == *wanted => None,
                Some(_) => {
                    differences.changes.push(Change::SetIdentity { column, identity: *wanted });
                    None
                }
                None => {
                    let statements =
                        ddl::identity(&self.wanted.place, self.column, *wanted, found.is_empty());
                    let held = Held::all(Turn::Alter, statements);
                    Some((IncompatibleChange::Identity { column, added: true }, held))
                }
            },
            (Values::Written, _) if self.detail.identity.is_some() && self.is_left(Setting::Identity) => {
                let held = vec![Held::new(Turn::Release, self.alter("DROP IDENTITY"))];
                Some((IncompatibleChange::Identity { column, added: false }, held))
            }
            // An identity column that somebody has made can be written, by INSERT … OVERRIDING SYSTEM VALUE.
            (Values::Written, _) => None,
        }
    }

    fn collation(&self) -> Option<Refused> {
        let wanted = self.column.settings.collation.as_ref()?;
        if self.column.form.collation == self.detail.collation {
            return None;
        }
        let from = self.detail.collation.clone().unwrap_or_else(|| "the default".to_owned());
        let statement = self.alter(&format!("TYPE {} COLLATE {wanted}", self.column.type_.name));
        let (column, to) = (self.column.name.clone(), wanted.to_string());
        let held = match self.is_recomputed() {
            true => self.recomputed(),
            false => [Held::new(Turn::Alter, statement)].into_iter().chain(self.again()).collect(),
        };
        Some((IncompatibleChange::Collation { column, from, to }, held))
    }

    fn default(&self, differences: &mut Differences) {
        let column = self.column.name.clone();
        let found = self.detail.expression.as_ref();
        if self.found.generated != Generated::No || self.column.settings.values != Values::Written {
            return;
        }
        let is_left = self.is_left(Setting::Default) && !self.column.type_.serial;
        match &self.column.settings.default {
            Some(DefaultValue::Null) if found.is_some() => {
                differences.changes.push(Change::DropDefault { column });
            }
            None if found.is_some() && is_left => differences.changes.push(Change::DropDefault { column }),
            None | Some(DefaultValue::Null) => {}
            Some(_) if found.is_some() && found == self.column.form.expression.as_ref() => {}
            Some(default) => {
                differences.changes.push(Change::SetDefault { column, default: default.clone() })
            }
        }
    }

    fn null(&self, differences: &mut Differences) {
        let (place, column) = (&self.wanted.place, self.column.name.clone());
        let check = ddl::not_null_name(column.as_str());
        let has_check = self.details.checks.contains(&check);
        let is_proven = self.detail.not_null && self.detail.unproven.is_none();
        let nullable = self.column.settings.nullable;
        // The columns of a key are NOT NULL by themselves.
        let is_key = self.wanted.primary_key.contains(&column);
        if nullable == Some(false) && !is_proven && !is_key {
            differences.steps.extend(ddl::not_null(place, &column, self.details, self.detail));
            return;
        }
        let is_asked = nullable == Some(true) || (nullable.is_none() && self.is_left(Setting::NotNull));
        // So are these.
        let has_sequence = self.column.type_.serial || self.detail.identity.is_some();
        let is_dropped = is_asked && self.detail.not_null && !has_sequence && !is_key;
        // A key that the table lacks may need it.
        let is_of_key = is_key && !is_proven;
        let names = ddl::not_null_names(column.as_str());
        let unproven = self.detail.unproven.as_ref().filter(|name| names.contains(name) && is_dropped);
        if let Some(name) = unproven.or(has_check.then_some(&check))
            && !is_of_key
        {
            differences.changes.push(Change::CancelValidation(name.clone()));
        }
        if has_check && !is_of_key {
            differences.changes.push(Change::DropConstraint { name: check, column: column.clone() });
        }
        if is_dropped {
            differences.changes.push(Change::DropNotNull { column });
        }
    }

    fn unique(&self, differences: &mut Differences) {
        let (place, column, indexes) = (&self.wanted.place, &self.column.name, &self.detail.unique);
        if self.column.settings.unique {
            if !indexes.iter().any(|index| index.is_valid) {
                differences.steps.extend(ddl::unique(place, column, self.detail, self.taken));
            } else if self.is_left(Setting::Unique)
                && let Some(index) = indexes.iter().find(|index| self.is_unfinished(index))
            {
                differences.steps.push(ddl::unique_constraint(place, column, &index.name));
            }
            return;
        }
        if !self.is_left(Setting::Unique) {
            return;
        }
        for index in indexes.iter().filter(|index| !index.is_key) {
            let is_dropped = index.constraint.is_some() || self.is_own(index);
            if index.is_identity && is_dropped {
                differences.in_use = Some(index.name.clone());
                continue;
            }
            match &index.constraint {
                Some(name) => {
                    let (name, column) = (name.clone(), column.clone());
                    differences.changes.push(Change::DropConstraint { name, column });
                }
                // The build was interrupted, or the constraint wasn't made of it yet.
                None if self.is_own(index) => {
                    differences.steps.push(ddl::drop_index(place, column, &index.name));
                    differences.unbound.push((self.found.name.clone(), index.name.clone()));
                }
                None => {}
            }
        }
    }

    /// Whether an attempt ended after it had built the index, and before it made the constraint of it.
    fn is_unfinished(&self, index: &UniqueIndex) -> bool {
        self.is_own(index) && index.is_valid && index.is_plain && !index.is_key && index.constraint.is_none()
    }

    /// Whether an index has a name by which the column's constraint is made. One that the spec names is to stay an index.
    fn is_own(&self, index: &UniqueIndex) -> bool {
        let names = ddl::unique_names(&self.wanted.place.name, self.column.name.as_str());
        names.contains(&index.name) && !self.taken.wanted.contains(&index.name)
    }

    fn comment(&self, differences: &mut Differences) {
        let wanted = match &self.column.settings.comment {
            Some(text) => text.as_str(),
            None if self.is_left(Setting::Comment) => "",
            None => return,
        };
        if self.detail.comment.as_deref().unwrap_or_default() != wanted {
            let (column, text) = (self.column.name.clone(), wanted.to_owned());
            differences.changes.push(Change::Comment { column, text });
        }
    }
}

#[cfg(test)]
mod tests;
