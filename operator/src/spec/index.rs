//! Index: what a spec says of one.

use super::{Column, SpecError, first_duplicate, present, shape, text};
use crate::identifier::{Identifier, IdentifierError};
use serde_json::{Map, Value};
use std::fmt;

/// The most columns that PostgreSQL lets an index have.
const MOST_COLUMNS: usize = 32;

const FIELDS: [&str; 4] = ["name", "columns", "unique", "method"];
const NAMES: &str = "a list of names of columns";

/// An index as the spec describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Index {
    /// Its name.
    pub name: Identifier,
    /// Its columns, in order: at least one, all in `spec.columns`.
    pub columns: Vec<Identifier>,
    /// Whether no two rows may have the same values in all of its columns.
    pub unique: bool,
    /// How it is built.
    pub method: Method,
}

/// The ways to build an index that every server knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// A tree in the order of the values. The only one that can be unique.
    #[default]
    Btree,
    /// Hashes of the values.
    Hash,
    /// The parts of values: words, array elements, keys of documents.
    Gin,
    /// A tree of areas.
    Gist,
    /// What the blocks of the table have at least and at most.
    Brin,
    /// A tree that divides space.
    Spgist,
}

/// A mistake in an index of a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A required field is absent or null.
    #[error(
        "{0} is missing: an index needs a name and columns, such as \"- {{name: by_email, columns: [EMAIL]}}\""
    )]
    Missing(&'static str),
    /// Something that an index can't have.
    #[error("an index has no field {0:?}, only name, columns, unique and method: remove it")]
    UnknownField(String),
    /// Its name, or that of a column, can't be one.
    #[error(transparent)]
    Name(#[from] IdentifierError),
    /// A column isn't one of the table.
    #[error("{0} isn't a column in spec.columns")]
    UnknownColumn(Identifier),
    /// A column is named twice.
    #[error("it names the column {0} twice")]
    DuplicateColumn(Identifier),
    /// There are more columns than PostgreSQL allows.
    #[error("it has {0} columns, and PostgreSQL allows {MOST_COLUMNS}")]
    TooManyColumns(usize),
    /// An unknown method.
    #[error("{0:?} is no method: it is one of btree (the default), hash, gin, gist, brin and spgist")]
    UnknownMethod(String),
    /// Only a B-tree can be unique.
    #[error("only an index with the method btree can be unique, not one with {0}")]
    NotUnique(Method),
    /// The method allows one column.
    #[error("an index with the method {0} can have only one column")]
    OneColumn(Method),
}

impl Index {
    /// The columns and their order as in a statement.
    pub fn column_list(&self) -> String {
        self.columns.iter().map(Identifier::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Btree, Self::Hash, Self::Gin, Self::Gist, Self::Brin, Self::Spgist];

    /// Its name in the catalog and in statements.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Btree => "btree",
            Self::Hash => "hash",
            Self::Gin => "gin",
            Self::Gist => "gist",
            Self::Brin => "brin",
            Self::Spgist => "spgist",
        }
    }

    /// The method of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    fn allows_several_columns(self) -> bool {
        !matches!(self, Self::Hash | Self::Spgist)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `spec.indexes`.
pub(super) fn indexes(spec: &Map<String, Value>, columns: &[Column]) -> Result<Vec<Index>, SpecError> {
    let Some(value) = present(spec, "indexes") else { return Ok(Vec::new()) };
    let items = value
        .as_array()
        .ok_or_else(|| shape("spec.indexes", "a list of maps, each with name and columns", value))?;
    let indexes: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(number, item)| index(number, item, columns))
        .collect::<Result<_, _>>()?;
    match first_duplicate(indexes.iter().map(|index| &index.name)) {
        Some(name) => Err(SpecError::DuplicateIndex(name.clone())),
        None => Ok(indexes),
    }
}

fn index(number: usize, item: &Value, columns: &[Column]) -> Result<Index, SpecError> {
    let field = format!("spec.indexes[{number}]");
    let map = item.as_object().ok_or_else(|| shape(&field, "a map with name and columns", item))?;
    let wrong = |source: IndexError| SpecError::Index { field: field.clone(), source };
    if let Some(unknown) = map.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(wrong(IndexError::UnknownField(unknown.clone())));
    }
    let required = |name: &'static str| present(map, name).ok_or_else(|| wrong(IndexError::Missing(name)));
    let name = text(required("name")?, || format!("{field}.name"), "a string")?;
    let name = Identifier::parse(name).map_err(|error| wrong(error.into()))?;
    let path = format!("{field}.columns");
    let names = match required("columns")? {
        Value::Array(names) if !names.is_empty() => names,
        other => return Err(shape(&path, NAMES, other)),
    };
    let parse = |name: &Value| {
        let name = text(name, || path.clone(), NAMES)?;
        Identifier::parse(name).map_err(|error| wrong(error.into()))
    };
    let names: Vec<_> = names.iter().map(parse).collect::<Result<_, _>>()?;
    let unique = match present(map, "unique") {
        None => false,
        Some(Value::Bool(unique)) => *unique,
        Some(other) => return Err(shape(&format!("{field}.unique"), "true or false", other)),
    };
    let method = match present(map, "method") {
        None => Method::default(),
        Some(value) => {
            let name = text(value, || format!("{field}.method"), "a string")?;
            Method::parse(name).ok_or_else(|| wrong(IndexError::UnknownMethod(name.to_owned())))?
        }
    };
    let index = Index { name, columns: names, unique, method };
    check(&index, columns).map_err(wrong)?;
    Ok(index)
}

/// What the server would reject, in words that name the spec.
fn check(index: &Index, columns: &[Column]) -> Result<(), IndexError> {
    let is_known = |name: &&Identifier| columns.iter().any(|column| column.name == **name);
    if let Some(unknown) = index.columns.iter().find(|name| !is_known(name)) {
        return Err(IndexError::UnknownColumn(unknown.clone()));
    }
    if let Some(twice) = first_duplicate(&index.columns) {
        return Err(IndexError::DuplicateColumn(twice.clone()));
    }
    match index.columns.len() {
        count if count > MOST_COLUMNS => Err(IndexError::TooManyColumns(count)),
        count if count > 1 && !index.method.allows_several_columns() => {
            Err(IndexError::OneColumn(index.method))
        }
        _ if index.unique && index.method != Method::Btree => Err(IndexError::NotUnique(index.method)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;
    use serde_json::json;

    fn read(indexes: &Value) -> Result<Table, SpecError> {
        let columns = json!([{"A": "integer"}, {"\"B c\"": "text"}]);
        Table::from_spec(Some(&json!({"tableName": "t", "columns": columns, "indexes": indexes})))
    }

    #[test]
    fn an_index_has_a_name_and_columns_and_is_a_btree_that_is_not_unique() {
        let table = read(&json!([
            {"name": "By_A", "columns": ["A"]},
            {"name": "\"By B\"", "columns": ["\"B c\"", "a"], "unique": true, "method": "btree"},
            {"name": "c", "columns": ["A"], "unique": null, "method": "gin"},
        ]));
        let found: Vec<_> = table
            .unwrap()
            .indexes
            .iter()
            .map(|index| (index.name.to_string(), index.column_list(), index.unique, index.method))
            .collect();
        let index =
            |name: &str, columns: &str, unique, method| (name.to_owned(), columns.to_owned(), unique, method);
        let expected = [
            index("\"by_a\"", "\"a\"", false, Method::Btree),
            index("\"By B\"", "\"B c\", \"a\"", true, Method::Btree),
            index("\"c\"", "\"a\"", false, Method::Gin),
        ];
        assert_eq!(found, expected);
        for none in [json!(null), json!([])] {
            assert!(read(&none).unwrap().indexes.is_empty(), "{none}");
        }
    }

    #[test]
    fn every_method_is_known_by_its_name() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
        assert_eq!(Method::parse("BTREE"), None);
    }

    #[test]
    fn the_error_names_the_index_and_the_mistake() {
        let many: Vec<_> = (0..33).map(|number| format!("c{number}")).collect();
        for (indexes, why) in [
            (json!("a"), "spec.indexes must be a list of maps, each with name and columns, not a string"),
            (
                json!({"name": "i"}),
                "spec.indexes must be a list of maps, each with name and columns, not a map",
            ),
            (json!(["i"]), "spec.indexes[0] must be a map with name and columns, not a string"),
            (json!([{"columns": ["a"]}]), "spec.indexes[0]: name is missing"),
            (json!([{"name": null, "columns": ["a"]}]), "spec.indexes[0]: name is missing"),
            (json!([{"name": "i"}]), "spec.indexes[0]: columns is missing"),
            (json!([{"name": 1, "columns": ["a"]}]), "spec.indexes[0].name must be a string, not a number"),
            (json!([{"name": "", "columns": ["a"]}]), "spec.indexes[0]: the name \"\" is empty"),
            (json!([{"name": "s.i", "columns": ["a"]}]), "dot outside quotes"),
            (
                json!([{"name": "i", "columns": "a"}]),
                "spec.indexes[0].columns must be a list of names of columns, not a string",
            ),
            (json!([{"name": "i", "columns": []}]), "not an empty list"),
            (
                json!([{"name": "i", "columns": [1]}]),
                "spec.indexes[0].columns must be a list of names of columns, not a number",
            ),
            (
                json!([{"name": "i", "columns": ["lower(a)"]}]),
                "spec.indexes[0]: \"lower(a)\" isn't a column in spec.columns",
            ),
            (json!([{"name": "i", "columns": ["b"]}]), "\"b\" isn't a column in spec.columns"),
            (
                json!([{"name": "i", "columns": ["a", "A"]}]),
                "spec.indexes[0]: it names the column \"a\" twice",
            ),
            (
                json!([{"name": "i", "columns": ["a"]}, {"name": "I", "columns": ["a"]}]),
                "spec.indexes has the index \"i\" twice",
            ),
            (
                json!([{"name": "i", "columns": ["a"], "where": "a > 1"}]),
                "an index has no field \"where\", only name",
            ),
            (
                json!([{"name": "i", "columns": ["a"], "unique": "yes"}]),
                "spec.indexes[0].unique must be true or false, not a string",
            ),
            (json!([{"name": "i", "columns": ["a"], "method": "bloom"}]), "\"bloom\" is no method"),
            (
                json!([{"name": "i", "columns": ["a"], "method": 1}]),
                "spec.indexes[0].method must be a string, not a number",
            ),
            (
                json!([{"name": "i", "columns": ["a"], "method": "hash", "unique": true}]),
                "can be unique, not one with hash",
            ),
            (
                json!([{"name": "i", "columns": ["a", "\"B c\""], "method": "spgist"}]),
                "the method spgist can have only one column",
            ),
            (json!([{"name": "T", "columns": ["a"]}]), "\"t\" is the name of the table"),
        ] {
            let error = read(&indexes).expect_err(why).to_string();
            assert!(error.contains(why), "{indexes}: {error}");
        }
        let columns: Vec<_> = many.iter().map(|name| json!({name: "integer"})).collect();
        let spec = json!({"tableName": "t", "columns": columns, "indexes": [{"name": "i", "columns": many}]});
        let error = Table::from_spec(Some(&spec)).unwrap_err().to_string();
        assert!(error.contains("it has 33 columns, and PostgreSQL allows 32"), "{error}");
    }
}
