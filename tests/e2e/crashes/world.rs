//! World: all that an operator may change, as text that can be compared.

use super::scenario::NAME;
use crate::fixture::{Fixture, condition};
use serde_json::Value;

/// What is in the database, but for what the server's own schemas have: relations, columns, constraints, indexes, comments,
/// schemas, functions and types.
const CATALOG: &str = r"
WITH own AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relations AS (
    SELECT c.*, nspname FROM pg_class c JOIN own ON own.oid = relnamespace
)
SELECT 'schema ' || nspname FROM own
UNION ALL SELECT format('%s.%s is a %s of %s', nspname, relname, relkind, relowner::regrole) FROM relations
UNION ALL SELECT format('column %s of %s: %s %s %s not null %s default %s identity %s', attnum, attrelid::regclass, attname,
        format_type(atttypid, atttypmod), attcollation::regcollation, attnotnull, pg_get_expr(adbin, adrelid), attidentity)
    FROM pg_attribute JOIN relations r ON r.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0
UNION ALL SELECT format('constraint %s of %s: %s, proven %s', conname, conrelid::regclass, pg_get_constraintdef(c.oid), convalidated)
    FROM pg_constraint c JOIN own ON own.oid = connamespace
UNION ALL SELECT format('index: %s, valid %s %s %s', pg_get_indexdef(indexrelid), indisvalid, indisready, indislive)
    FROM pg_index JOIN relations r ON r.oid = indrelid
UNION ALL SELECT format('comment on %s %s: %s', objoid::regclass, objsubid, description)
    FROM pg_description JOIN relations r ON r.oid = objoid WHERE classoid = 'pg_class'::regclass
UNION ALL SELECT format('function %s', p.oid::regprocedure) FROM pg_proc p JOIN own ON own.oid = pronamespace
UNION ALL SELECT format('type %s', t.oid::regtype) FROM pg_type t JOIN own ON own.oid = typnamespace
ORDER BY 1";

/// What clients hold in the database, other than the one that asks. The server's own workers come and go: autovacuum every minute.
const HELD: &str = "
SELECT format('%s holds %s %s', pid, mode, coalesce(relation::regclass::text, locktype)) FROM pg_locks
WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
    AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend')
UNION ALL SELECT format('%s is %s: %s', pid, state, query) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'
UNION ALL SELECT format('%s is prepared', gid) FROM pg_prepared_xacts WHERE database = current_database()";

/// The tables with rows, each of which is quoted, as it is where it is found.
const TABLES: &str = "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                      WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1";

/// All that is as it is to be, or isn't, line by line.
#[derive(Debug)]
pub struct World(Vec<String>);

impl World {
    /// What is here and not there, and the other way round.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let missing = |sign, a: &Self, b: &Self| -> Vec<_> {
            let lines = a.0.iter().filter(|line| !b.0.contains(line));
            lines.map(|line| format!("{sign} {line}")).collect()
        };
        [missing('+', self, other), missing('-', other, self)].concat()
    }
}

/// Reads it.
pub async fn read(fixture: &Fixture<'_>) -> World {
    let mut lines = fixture.query(CATALOG).await;
    for table in fixture.query(TABLES).await {
        let rows = format!("SELECT '{table} has ' || t::text FROM {table} t ORDER BY 1");
        lines.extend(fixture.query(&rows).await);
    }
    lines.extend(fixture.query(HELD).await);
    let object = fixture.table(NAME).await;
    let uid =
        object.as_ref().and_then(|object| object["metadata"]["uid"].as_str()).unwrap_or("none").to_owned();
    lines.extend(text(object).lines().map(ToOwned::to_owned));
    lines.iter_mut().for_each(|line| *line = with_any_uid(line, &uid));
    World(lines)
}

/// A line with words for uids, which differ each time: whether it is the object's, or that of an owner who is gone.
fn with_any_uid(line: &str, uid: &str) -> String {
    const FIELD: &str = "\"uid\":\"";
    let line = line.replace(uid, "ITS OWN");
    let Some((before, found)) = line.split_once(FIELD) else { return line };
    match found.split_once('"') {
        Some((found, after)) if found != "ITS OWN" => format!("{before}{FIELD}ANOTHER'S\"{after}"),
        _ => line,
    }
}

/// The object without what differs each time.
fn text(object: Option<Value>) -> String {
    let Some(mut object) = object else { return "gone".to_owned() };
    let is_current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    let metadata = object["metadata"].as_object_mut().unwrap();
    let differs = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"];
    metadata.retain(|name, _| !differs.contains(&name.as_str()));
    without_times(&mut object["status"]);
    for (field, words) in [
        ("owner", "a hash with the uid"),
        ("database", "a hash with the address, which is a proxy's at times"),
    ] {
        if let Some(hash) = object["status"].get_mut(field) {
            *hash = words.into();
        }
    }
    format!("{object:#}, current: {is_current}")
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("Time") && name != "observedGeneration");
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// Whether an operator has done all for the object as it is now.
pub fn is_done(object: &Value) -> bool {
    let handled = &object["metadata"]["annotations"]["kopf.zalando.org/last-handled-configuration"];
    let handled: Value = serde_json::from_str(handled.as_str().unwrap_or("null")).unwrap();
    object["metadata"]["deletionTimestamp"].is_null()
        && handled["spec"] == object["spec"]
        && condition(object, "Ready") == ["True", "Applied"]
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}
