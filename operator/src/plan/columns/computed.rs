//! Computed columns: what is generated has to go while the columns that it is made of get other types, and is added again.

use super::Comparison;
use crate::{
    catalog::{CatalogColumn, ColumnDetail, Generated},
    ddl,
    plan::{Held, Turn},
    spec::Values,
    types::ResolvedColumn,
};

/// Whether the server computes a column of a table.
pub fn is_computed(found: &CatalogColumn) -> bool {
    matches!(found.generated, Generated::Stored | Generated::Virtual)
}

/// Whether a column is to have another type, or another collation.
pub fn is_retyped(column: &ResolvedColumn, found: &CatalogColumn, detail: &ColumnDetail) -> bool {
    let is_collated = column.settings.collation.is_some() && column.form.collation != detail.collation;
    is_collated || !column.type_.id.stores_as(found.type_id)
}

impl Comparison<'_> {
    pub(super) fn is_computed_in_spec(&self) -> bool {
        matches!(self.column.settings.values, Values::Generated(_))
    }

    /// Whether the column has to be dropped and added again: the spec has another expression for it, or what it is made of gets other
    /// types.
    pub(super) fn is_recomputed(&self) -> bool {
        let has_retyped = self.detail.sources.iter().any(|source| self.retyped.contains(source));
        self.has_other_expression() || self.is_computed_in_spec() && has_retyped
    }

    /// Whether the spec has another expression for the column, or the table none.
    pub(super) fn has_other_expression(&self) -> bool {
        let is_same = self.found.generated == Generated::Stored
            && self.column.form.expression.is_some()
            && self.column.form.expression == self.detail.expression;
        self.is_computed_in_spec() && !is_same
    }

    /// The statements that compute the column by the spec.
    pub(super) fn recomputed(&self) -> Vec<Held> {
        let place = &self.wanted.place;
        let dropped = Held::new(Turn::Drop, ddl::drop_column(place, &self.found.name));
        vec![dropped, Held::new(Turn::Compute, ddl::add_column(place, self.column))]
    }

    /// The columns that are computed from this one, exact.
    pub(super) fn computed_of(&self) -> Vec<String> {
        self.made_of_it().map(|found| found.name.clone()).collect()
    }

    /// The statements that drop what is computed from this column, and compute it again.
    pub(super) fn again(&self) -> Vec<Held> {
        self.made_of_it().flat_map(|found| self.around(found)).collect()
    }

    /// What is computed from this column, but for what becomes a plain one before anything else.
    fn made_of_it(&self) -> impl Iterator<Item = &CatalogColumn> {
        let is_made_of_it = move |found: &&CatalogColumn| {
            let detail = self.details.columns.get(&found.name);
            is_computed(found) && detail.is_some_and(|detail| detail.sources.contains(&self.found.name))
        };
        let stays = move |found: &&CatalogColumn| {
            self.in_spec(found).is_none_or(|column| matches!(column.settings.values, Values::Generated(_)))
        };
        self.relation.columns.iter().filter(is_made_of_it).filter(stays)
    }

    fn in_spec(&self, found: &CatalogColumn) -> Option<&ResolvedColumn> {
        self.wanted.columns.iter().find(|column| column.name.as_str() == found.name)
    }

    fn around(&self, found: &CatalogColumn) -> Vec<Held> {
        let place = &self.wanted.place;
        let added = match self.in_spec(found) {
            Some(column) => Some(ddl::add_column(place, column)),
            None if self.owned.columns.contains(&found.name) => None,
            None => {
                self.details.columns.get(&found.name).map(|detail| ddl::add_computed(place, found, detail))
            }
        };
        let dropped = Held::new(Turn::Drop, ddl::drop_column(place, &found.name));
        [dropped].into_iter().chain(added.map(|added| Held::new(Turn::Compute, added))).collect()
    }
}
