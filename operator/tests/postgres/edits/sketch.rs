//! A spec as the test knows it, and what edits do to it.

use super::random::Random;
use crate::support::World;
use serde_json::{Value, json};

/// Types of which each can become the next ones without a row being written, and values that all of them have.
#[derive(Debug)]
pub struct Family {
    /// As a spec has them, and as PostgreSQL prints them.
    pub types: &'static [(&'static str, &'static str)],
    values: &'static [&'static str],
}

/// The types that the families need beside those of the server.
pub const TYPES: &str =
    "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%')";

pub const FAMILIES: [Family; 10] = [
    Family {
        types: &[
            ("varchar(5)", "character varying(5)"),
            ("varchar(9)", "character varying(9)"),
            ("varchar", "character varying"),
            ("TEXT", "text"),
        ],
        values: &["'a'", "'it''s'", "''"],
    },
    Family {
        types: &[("numeric(5, 2)", "numeric(5,2)"), ("decimal(9,2)", "numeric(9,2)"), ("numeric", "numeric")],
        values: &["1.5", "-2", "100.25"],
    },
    Family { types: &[("int4", "integer")], values: &["1", "2", "-3"] },
    Family {
        types: &[
            ("timestamp(0)", "timestamp(0) without time zone"),
            ("timestamp(3)", "timestamp(3) without time zone"),
            ("timestamp", "timestamp without time zone"),
        ],
        values: &["'2026-01-01'", "'2026-02-02 10:00:01'"],
    },
    Family { types: &[("bool", "boolean")], values: &["true", "false"] },
    Family { types: &[("jsonb", "jsonb")], values: &["'{\"a\": [1]}'", "'null'"] },
    Family { types: &[("uuid", "uuid")], values: &["'00000000-0000-0000-0000-000000000001'"] },
    Family { types: &[("text[]", "text[]")], values: &["'{a,b}'", "'{}'"] },
    Family { types: &[("Mood", "mood")], values: &["'sad'", "'ok'"] },
    Family { types: &[("mail", "mail")], values: &["'a@b'", "'c@d'"] },
];

/// The integer family, of which identity columns are.
const INTEGERS: usize = 2;
const TEXTS: usize = 0;

/// Defaults of the families: as a spec has them, and as a query does.
pub const DEFAULTS: [&[(&str, &str)]; 10] = [
    &[("'x'", "'x'"), ("'it''s'", "'it''s'"), ("'\\'", "'\\'")],
    &[("1.5", "1.5"), ("-7", "-7")],
    &[("7", "7"), ("-8", "-8")],
    &[("now()", "now()"), ("'2026-03-03'", "'2026-03-03'")],
    &[("true", "true"), ("False", "false")],
    &[("'{\"b\":  1}'", "'{\"b\": 1}'"), ("'[]'::jsonb", "'[]'")],
    &[("gen_random_uuid()", "gen_random_uuid()")],
    &[("'{}'", "'{}'"), ("'{x,\"y z\"}'", "'{x,\"y z\"}'")],
    &[("'ok'", "'ok'")],
    &[("'e@f'", "'e@f'")],
];

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Written,
    /// Whether always.
    Identity(bool),
    /// By this function of the base column.
    Generated(&'static str),
}

#[derive(Clone, Debug)]
pub struct Column {
    /// Exact.
    pub name: String,
    pub family: usize,
    pub width: usize,
    pub nullable: Option<bool>,
    pub default: Option<usize>,
    pub unique: bool,
    pub comment: Option<String>,
    /// Whether its collation is C.
    pub is_collated: bool,
    pub values: Values,
    pub renamed_from: Option<String>,
    /// Whether generated columns are made of it.
    pub is_base: bool,
}

#[derive(Clone, Debug)]
pub struct Sketch {
    /// Exact.
    pub table: String,
    pub columns: Vec<Column>,
    /// The names of indexes, and of their columns.
    pub indexes: Vec<(String, String)>,
    pub key: bool,
    next: usize,
}

/// What an edit does, and to which column.
#[derive(Clone, Debug)]
pub enum Edit {
    Add(usize),
    Nullable(usize),
    Unique(usize),
    /// Another one that loses nothing.
    Safe(&'static str),
    /// Another type of the base column that loses nothing, unless columns are made of it.
    Base(&'static str),
    /// One that may lose something.
    Unsafe(&'static str),
}

impl Edit {
    /// In words.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Nullable(_) => "nullable",
            Self::Unique(_) => "unique",
            Self::Safe(what) | Self::Base(what) | Self::Unsafe(what) => what,
        }
    }
}

/// What has to come of it. Of two edits, the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    Applied,
    Obstructed,
    Invalid,
    Aborted,
}

pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn plain(name: &str, family: usize, width: usize) -> Column {
    Column {
        name: name.to_owned(),
        family,
        width,
        nullable: None,
        default: None,
        unique: false,
        comment: None,
        is_collated: false,
        values: Values::Written,
        renamed_from: None,
        is_base: false,
    }
}

async fn has_key(sketch: &Sketch, world: &World) -> bool {
    let query = "SELECT FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'";
    let table = quote(&sketch.table);
    let rows = world.sql.query_typed(query, &[(&table, postgres_types::Type::TEXT)]).await.unwrap();
    !rows.is_empty()
}

impl Sketch {
    /// A table of a few columns.
    pub fn new(seed: u64, random: &mut Random) -> Self {
        let table = if random.one_in(3) { format!("T {seed} \"it's\"") } else { format!("t{seed}") };
        let mut sketch =
            Self { table, columns: vec![plain("id", INTEGERS, 0)], indexes: vec![], key: true, next: 0 };
        sketch.columns.push(Column { is_base: true, ..plain("base", TEXTS, 3) });
        for _ in 0..random.below(6) {
            let column = sketch.column(random);
            sketch.columns.push(column);
        }
        sketch
    }

    fn name(&mut self, random: &mut Random) -> String {
        self.next += 1;
        let number = self.next;
        match random.below(6) {
            0 => format!("Two words {number}"),
            1 => format!("it's \"{number}\" \\ ü"),
            2 => format!("{}{number}", "very_long_".repeat(5)),
            _ => format!("c{number}"),
        }
    }

    fn column(&mut self, random: &mut Random) -> Column {
        let name = self.name(random);
        match random.below(8) {
            0 => Column { values: Values::Identity(random.one_in(2)), ..plain(&name, INTEGERS, 0) },
            1 => Column { values: Values::Generated("upper"), ..plain(&name, TEXTS, 3) },
            _ => {
                let family = random.below(FAMILIES.len());
                let width = random.below(FAMILIES[family].types.len());
                let default = random.one_in(2).then(|| random.below(DEFAULTS[family].len()));
                Column {
                    default,
                    nullable: *random.pick(&[None, None, Some(true), Some(false)]),
                    // Rows of before would all have the same value.
                    unique: default.is_none() && random.one_in(5),
                    comment: random.one_in(3).then(|| "it's\n\\ so".to_owned()),
                    is_collated: family == TEXTS && random.one_in(3),
                    ..plain(&name, family, width)
                }
            }
        }
    }

    pub fn spec(&self) -> Value {
        let columns: Vec<_> =
            self.columns.iter().map(|column| json!({quote(&column.name): self.item(column)})).collect();
        let mut spec = json!({"tableName": quote(&self.table), "columns": columns});
        if self.key {
            spec["primaryKey"] = json!("id");
        }
        if !self.indexes.is_empty() {
            let index =
                |(name, column): &(String, String)| json!({"name": quote(name), "columns": [quote(column)]});
            spec["indexes"] = self.indexes.iter().map(index).collect();
        }
        spec
    }

    fn item(&self, column: &Column) -> Value {
        let mut item = json!({"type": FAMILIES[column.family].types[column.width].0});
        if let Some(nullable) = column.nullable {
            item["nullable"] = json!(nullable);
        }
        if let Some(number) = column.default {
            item["default"] = json!(DEFAULTS[column.family][number].0);
        }
        if column.unique {
            item["unique"] = json!(true);
        }
        if let Some(comment) = &column.comment {
            item["comment"] = json!(comment);
        }
        if column.is_collated {
            item["collation"] = json!("C");
        }
        if let Some(from) = &column.renamed_from {
            item["renamedFrom"] = json!(quote(from));
        }
        let base = self.columns.iter().find(|column| column.is_base).map(|column| quote(&column.name));
        match column.values {
            Values::Written => {}
            Values::Identity(always) => item["identity"] = json!(if always { "Always" } else { "ByDefault" }),
            Values::Generated(function) => {
                item["generated"] = json!(format!("{function}({})", base.unwrap_or_default()))
            }
        }
        if item.as_object().unwrap().len() == 1 { item["type"].clone() } else { item }
    }

    /// Makes a random edit, and returns the name that its column had.
    pub fn edit(&mut self, random: &mut Random) -> (Edit, String) {
        loop {
            let index = 1 + random.below(self.columns.len() - 1);
            let name = self.columns[index].name.clone();
            if let Some(edit) = self.try_edit(random, index) {
                return (edit, name);
            }
        }
    }

    /// Makes another edit at the same time, if one comes to mind that doesn't take the first one back.
    pub fn edit_besides(
        &mut self,
        random: &mut Random,
        (first, of): &(Edit, String),
        before: &Self,
    ) -> Option<Edit> {
        let whole = self.clone();
        let (second, column) = self.edit(random);
        let is_about = |whats: &[&str], edit: &Edit| whats.contains(&edit.what());
        let is_known = before.columns.iter().any(|known| known.name == column);
        // Of what is held back anyway, the same column may change otherwise.
        let is_beside = column != *of
            || matches!(first, Edit::Unsafe(_)) && !is_about(&["widen", "narrow", "base"], &second);
        let is_back =
            ["key", "index"].iter().any(|what| first.what().contains(what) && second.what().contains(what))
                || is_about(&["rename"], first) && is_about(&["rename"], &second);
        if is_known && is_beside && !is_back {
            return Some(second);
        }
        *self = whole;
        None
    }

    fn try_edit(&mut self, random: &mut Random, index: usize) -> Option<Edit> {
        let (kind, name) = (random.below(21), self.name(random));
        let column = &mut self.columns[index];
        let is_written = column.values == Values::Written;
        let family = &FAMILIES[column.family];
        Some(match kind {
            0 | 1 => {
                let column = self.column(random);
                let at = random.below(self.columns.len() + 1).max(1);
                self.columns.insert(at, column);
                Edit::Add(at)
            }
            2 | 3 if is_written => {
                let choices = DEFAULTS[column.family].len();
                let default = (!random.one_in(3)).then(|| random.below(choices));
                column.default = default;
                Edit::Safe("default")
            }
            4 | 5 if is_written => {
                column.nullable = *random.pick(&[None, Some(true), Some(false), Some(false)]);
                Edit::Nullable(index)
            }
            6 if is_written => {
                column.unique = !column.unique;
                Edit::Unique(index)
            }
            7 => {
                column.comment = random
                    .pick(&[None, Some(String::new()), Some("a".to_owned()), Some("it's \\".to_owned())])
                    .clone();
                Edit::Safe("comment")
            }
            8 => {
                let from = std::mem::replace(&mut column.name, name.clone());
                let indexed = self.indexes.iter_mut().map(|(_, column)| column);
                indexed.filter(|column| **column == from).for_each(|column| column.clone_from(&name));
                column.renamed_from = Some(from);
                Edit::Safe("rename")
            }
            16 if self.indexes.len() < 4 => {
                self.indexes.push((format!("i {name}"), column.name.clone()));
                Edit::Safe("index")
            }
            17 if !self.indexes.is_empty() => {
                self.indexes.remove(0);
                Edit::Safe("no index")
            }
            18 if column.family == TEXTS && is_written && !column.is_base && !column.is_collated => {
                column.is_collated = true;
                Edit::Unsafe("collation")
            }
            19 if !self.indexes.is_empty() && self.indexes[0].1 != column.name => {
                self.indexes[0].1.clone_from(&column.name);
                Edit::Safe("index moved")
            }
            20 if column.is_base => {
                column.width = if column.width == 3 { 2 } else { 3 };
                Edit::Base("base")
            }
            9 if is_written && !column.is_base && column.width + 1 < family.types.len() => {
                column.width += 1 + random.below(family.types.len() - column.width - 1);
                Edit::Safe("widen")
            }
            10 => {
                let column = self.columns.remove(index);
                let at = random.below(self.columns.len() + 1);
                self.columns.insert(at, column);
                // The key is looked for by its place.
                let key = self.columns.iter().position(|column| column.name == "id")?;
                self.columns.swap(0, key);
                Edit::Safe("reorder")
            }
            11 => {
                let Values::Identity(always) = &mut column.values else { return None };
                *always = !*always;
                Edit::Safe("identity")
            }
            // A key that is missing is added.
            12 if !self.key => {
                self.key = true;
                Edit::Safe("key again")
            }
            _ => Edit::Unsafe(self.lossy(random, index)?),
        })
    }

    fn lossy(&mut self, random: &mut Random, index: usize) -> Option<&'static str> {
        let column = &mut self.columns[index];
        Some(match (random.below(6), &mut column.values) {
            (0, _) if !column.is_base => {
                let removed = self.columns.remove(index);
                self.indexes.retain(|(_, column)| *column != removed.name);
                "remove"
            }
            (1, Values::Written)
                // text can become varchar again.
                if column.width > 0 && (column.family, column.width) != (TEXTS, 3) => {
                column.width -= 1;
                "narrow"
            }
            (2, Values::Written)
                if column.family == INTEGERS && column.default.is_none() && column.nullable.is_none() =>
            {
                column.values = Values::Identity(true);
                "become an identity"
            }
            (5, Values::Written) if column.family == INTEGERS => {
                (column.family, column.width, column.default) = (TEXTS, 3, None);
                "text"
            }
            (3, Values::Generated(function)) if *function == "upper" => {
                *function = "lower";
                "expression"
            }
            (4, _) if self.key => {
                self.key = false;
                "key"
            }
            _ => return None,
        })
    }

    /// What has to come of an edit, by the rows that are there.
    pub async fn expect(&self, edit: &Edit, before: &Self, world: &World) -> Expected {
        let table = quote(&before.table);
        let any = async |query: String| !world.sql.query_typed(&query, &[]).await.unwrap().is_empty();
        match *edit {
            Edit::Safe(_) => Expected::Applied,
            // Somebody has dropped it.
            Edit::Unsafe("key") if !has_key(before, world).await => Expected::Applied,
            Edit::Unsafe(_) => Expected::Aborted,
            Edit::Base(_) => {
                let is_computed = |column: &Column| matches!(column.values, Values::Generated(_));
                if before.columns.iter().any(is_computed) { Expected::Aborted } else { Expected::Applied }
            }
            Edit::Add(at) => {
                let column = &self.columns[at];
                let is_filled = column.default.is_some() || column.values != Values::Written;
                let is_asked = column.nullable == Some(false) && !is_filled;
                let has_rows = any(format!("SELECT FROM {table} LIMIT 1")).await;
                if is_asked && has_rows { Expected::Invalid } else { Expected::Applied }
            }
            Edit::Nullable(index) => {
                let name = quote(&self.columns[index].name);
                let is_asked = self.columns[index].nullable == Some(false);
                let has_nulls = any(format!("SELECT FROM {table} WHERE {name} IS NULL LIMIT 1")).await;
                if is_asked && has_nulls { Expected::Obstructed } else { Expected::Applied }
            }
            Edit::Unique(index) => {
                let name = quote(&self.columns[index].name);
                let same = format!(
                    "SELECT FROM {table} WHERE {name} IS NOT NULL GROUP BY {name} HAVING count(*) > 1 LIMIT 1"
                );
                if self.columns[index].unique && any(same).await {
                    Expected::Obstructed
                } else {
                    Expected::Applied
                }
            }
        }
    }

    /// What a person may do to the table besides: an index of an expression, or a check, of one of its texts.
    pub async fn add_by_hand(&self, world: &World, random: &mut Random) {
        let column = random.pick(&self.columns);
        let (table, name) = (quote(&self.table), quote(&column.name));
        if column.family == TEXTS && column.values == Values::Written {
            world
                .run(&match random.below(3) {
                    0 => format!("CREATE INDEX ON {table} (lower({name}))"),
                    1 => format!("CREATE INDEX ON {table} (id) WHERE {name} <> 'a'"),
                    _ => format!("ALTER TABLE {table} ADD CHECK ({name} <> 'never')"),
                })
                .await;
        }
    }

    /// Inserts some rows, as far as the constraints let them in.
    pub async fn insert_rows(&mut self, world: &World, random: &mut Random) {
        for _ in 0..random.below(3) {
            self.next += 1;
            let (mut names, mut values) = (vec!["id".to_owned()], vec![self.next.to_string()]);
            for column in
                self.columns.iter().filter(|column| column.name != "id" && column.values == Values::Written)
            {
                names.push(quote(&column.name));
                let value = match random.below(6) {
                    0 if !random.one_in(3) => "NULL",
                    0 | 1 => "DEFAULT",
                    _ => *random.pick(FAMILIES[column.family].values),
                };
                values.push(value.to_owned());
            }
            let table = quote(&self.table);
            let insert = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
            if let Err(error) = world.sql.batch_execute(&insert).await {
                let code = error.code().unwrap_or_else(|| panic!("{insert}: {error}")).code().to_owned();
                assert!(code.starts_with("23"), "{insert}: {error}");
            }
        }
    }
}
