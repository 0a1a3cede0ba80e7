//! Specs of somebody who tries to get more done than a table: whatever they say, nothing else changes.

use crate::support::{Existing, NoAnswer, World, by_pooler, claim, owner};
use database_table_operator::{connection::Settings, database, pool::Pool, spec::Table};
use serde_json::{Value, json};

/// Texts that would do something, if any of them became part of a statement.
pub const TEXTS: [&str; 62] = [
    "x); DROP TABLE canary; --",
    "x; DROP TABLE canary",
    "'; DROP TABLE canary; --",
    "'); DROP TABLE canary; --",
    "\"; DROP TABLE canary; --",
    "\"); DROP TABLE canary; --",
    "''; DROP TABLE canary; --'",
    "\\'; DROP TABLE canary; --",
    "\\\"; DROP TABLE canary; --",
    "'\\'; DROP TABLE canary; --'",
    "E'\\'; DROP TABLE canary; --'",
    "U&'\\0027; DROP TABLE canary; --'",
    "U&\"\\0022; DROP TABLE canary; --\"",
    "$$; DROP TABLE canary; --$$",
    "$a$'$a$",
    "$1",
    "%s %I %L",
    "text; CREATE ROLE evil SUPERUSER",
    "'x'; ALTER ROLE CURRENT_USER SET work_mem = '1MB'",
    "'x'; SET search_path = evil",
    "text); SET ROLE postgres; --",
    "integer; SET SESSION AUTHORIZATION DEFAULT",
    "text DEFAULT evil()",
    "evil()",
    "public.evil()",
    "evil() || 'x'",
    "a || evil()::text",
    "(evil())",
    "(SELECT evil())",
    "(SELECT count(*) FROM canary)",
    "set_config('search_path', 'evil', false)",
    "pg_terminate_backend(pg_backend_pid())",
    "lo_import('/etc/passwd')",
    "pg_read_file('/etc/passwd')",
    "query_to_xml('DROP TABLE canary', true, true, '')",
    "nextval('canary_id_seq')",
    "setval('canary_id_seq', 100)",
    "txid_current()",
    "text) STORED, evil text DEFAULT evil() --",
    "a) STORED; DROP TABLE canary; --",
    "a)) STORED CHECK (evil() IS NULL",
    "a /* */ ; DROP TABLE canary",
    "a -- \n; DROP TABLE canary",
    "a--\n) STORED; DROP TABLE canary; --",
    "integer CHECK (evil() IS NULL)",
    "integer REFERENCES canary ON DELETE CASCADE",
    "canary",
    "canary%ROWTYPE",
    "pg_catalog.pg_class",
    "\"canary\"",
    "C\"; DROP TABLE canary; --",
    "\"C\".\"x\"; DROP TABLE canary; --",
    "NULL); DROP TABLE canary; --",
    "1); DROP TABLE canary; --",
    "1 + evil()",
    "now(); DROP TABLE canary",
    "now() || evil()",
    "CURRENT_USER(); DROP TABLE canary",
    "database-table-operator: {\"cluster\":\"test\",\"namespace\":\"shop\",\"name\":\"other\",\"uid\":\"1\"}",
    "a\u{0}; DROP TABLE canary",
    "a\r\n\t; DROP TABLE canary;",
    "\u{2019}; DROP TABLE canary; --\u{201d}",
];

/// A spec that has the text in one place.
fn specs(text: &str) -> Vec<Value> {
    let column =
        |column: Value| json!({"tableName": "hostile", "columns": [{"id": "integer"}, {"a": column}]});
    let quoted = |quote: char| format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")));
    vec![
        json!({"tableName": text, "columns": [{"id": "integer"}]}),
        json!({"tableName": quoted('"'), "columns": [{quoted('"'): {"type": "text", "unique": true, "comment": text}}]}),
        json!({"tableName": "hostile", "columns": [{"id": "integer"}, {text: "text"}]}),
        column(json!(text)),
        column(json!({"type": "text", "default": text})),
        column(json!({"type": "text", "default": quoted('\'')})),
        column(json!({"type": "text", "comment": text, "nullable": false})),
        column(json!({"type": "text", "collation": text})),
        json!({"tableName": "hostile", "columns": [{"a": "text"}, {"b": {"type": "text", "generated": text}}]}),
        column(json!({"type": "text", "renamedFrom": text})),
        column(json!({"type": "bigint", "identity": text})),
        json!({"tableName": "hostile", "columns": [{"a": "text"}], "indexes": [{"name": quoted('"'), "columns": ["a"]}]}),
        json!({"tableName": "hostile", "columns": [{"a": "text"}], "indexes": [{"name": "i", "columns": ["a"], "method": text}]}),
        json!({"tableName": "hostile", "columns": [{quoted('"'): "text"}], "primaryKey": quoted('"'),
               "indexes": [{"name": "i", "columns": [quoted('"')]}]}),
        json!({"tableName": "hostile", "schema": quoted('"'), "columns": [{"a": "text"}], "primaryKey": text}),
        json!({"tableName": "hostile", "schema": quoted('"'), "columns": [{"a": "text"}]}),
    ]
}

/// All relations, roles (but for those that other tests make), functions, settings, triggers and rows that a spec must not change, as the operator's own connection sees them.
async fn surroundings(pool: &Pool) -> Vec<String> {
    let query = "SELECT 'class ' || oid || ' ' || relname || ' ' || relfilenode || ' ' || COALESCE(relacl::text, '') FROM pg_class \
                   WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_toast%') \
                 UNION ALL SELECT 'role ' || oid || ' ' || rolname || ' ' || rolsuper || ' ' || rolcreaterole || ' ' || COALESCE(rolconfig::text, '') FROM pg_roles WHERE rolsuper OR rolname ~ 'evil' OR rolname = current_user \
                 UNION ALL SELECT 'function ' || oid || ' ' || proname FROM pg_proc \
                 UNION ALL SELECT 'schema ' || oid || ' ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_temp%' AND nspname NOT LIKE 'pg\\_toast%' \
                 UNION ALL SELECT 'type ' || oid || ' ' || typname FROM pg_type \
                 UNION ALL SELECT 'setting ' || name || ' ' || setting FROM pg_settings \
                 UNION ALL SELECT 'of role ' || setdatabase || ' ' || setrole || ' ' || setconfig::text FROM pg_db_role_setting \
                   WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
                 UNION ALL SELECT 'trigger ' || oid || ' ' || tgname FROM pg_trigger \
                 UNION ALL SELECT 'user ' || current_user || ' ' || session_user \
                 UNION ALL SELECT 'comment ' || objoid || ' ' || description FROM pg_description WHERE objoid >= 16384 \
                 UNION ALL SELECT 'row ' || id FROM canary UNION ALL SELECT 'called ' || n FROM called \
                 UNION ALL SELECT 'sequence ' || last_value || ' ' || is_called FROM canary_id_seq \
                 UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements ORDER BY 1";
    let connection = pool.get().await.unwrap();
    connection.query_typed(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn hundreds_of_hostile_specs_change_nothing_but_their_own_table() {
    let mut world = World::new("hostile").await;
    world
        .run(
            "CREATE TABLE canary (id serial); INSERT INTO canary DEFAULT VALUES; CREATE TABLE called (n integer); \
             CREATE FUNCTION evil() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO called VALUES (1); RETURN 'x'; END $$",
        )
        .await;
    let pool = Settings::read(Some(&by_pooler(&world.database)), |_| None).unwrap().pool(1).unwrap();
    world.tables = database::Database::new(pool.clone());
    // What the first use of a connection brings, such as the schema of temporary tables.
    let first = json!({"tableName": "first", "columns": [{"a": {"type": "text", "default": "'x'"}}]});
    world.apply_as("first", &first).await.unwrap();
    let before = surroundings(&pool).await;
    let (mut count, mut made) = (0, 0);
    for (number, spec) in TEXTS.iter().flat_map(|text| specs(text)).enumerate() {
        count += 1;
        let Ok(table) = Table::from_spec(Some(&spec)) else { continue };
        let claim = claim(owner(&format!("o{number}")));
        let applied = world.tables.apply(&NoAnswer, &claim, &table).await;
        // A second look finds what the first has made.
        if applied.is_ok() {
            made += 1;
            world.tables.apply(&NoAnswer, &claim, &table).await.unwrap();
            world.tables.drop_table(&Existing("1-2-3"), &claim, None).await.unwrap();
        }
        let after = surroundings(&pool).await;
        let differs = |one: &[String], other: &[String]| {
            one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>()
        };
        assert!(
            after == before,
            "{spec} {applied:?}\n{:?}\n{:?}",
            differs(&before, &after),
            differs(&after, &before)
        );
    }
    assert!(count >= 500 && made >= 100, "{count} {made}");
}
