//! The commands `plan` and `import`, on a real PostgreSQL.

use crate::fixture::{Cluster, Fixture, KOPF_DEMO_CR};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Runs a command of the table operator with this input; returns its exit code and its output.
fn run(fixture: &Fixture<'_>, words: &[&str], input: &str) -> (i32, String) {
    run_with(fixture, words, input, fixture.cluster.control_plane.kubeconfig())
}

fn run_with(fixture: &Fixture<'_>, words: &[&str], input: &str, kubeconfig: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_database-table-operator"));
    command.args(words).env("DATABASE_URL", fixture.database.url());
    command.env("KUBECONFIG", kubeconfig);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn plan(fixture: &Fixture<'_>, manifest: &str) -> (i32, String) {
    run(fixture, &["plan", "-f", "-", "--namespace", &fixture.namespace], manifest)
}

/// All of the tables that somebody could notice, but for the comments that name their owners.
async fn schema(fixture: &Fixture<'_>) -> Vec<String> {
    fixture
        .query(
            "SELECT concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, \
               a.attgenerated, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)) \
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND \
               d.adnum = a.attnum \
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 \
             UNION ALL SELECT concat_ws(' ', x.indexrelid::regclass::text, pg_get_indexdef(x.indexrelid)) FROM pg_index x \
               JOIN pg_class c ON c.oid = x.indrelid WHERE c.relnamespace = 'public'::regnamespace \
             UNION ALL SELECT concat_ws(' ', k.conname, pg_get_constraintdef(k.oid)) FROM pg_constraint k \
               WHERE k.connamespace = 'public'::regnamespace ORDER BY 1",
        )
        .await
}

#[tokio::test]
async fn plan_prints_what_an_apply_would_do_and_changes_nothing() {
    let cluster = Cluster::with_full_crd().await;
    let fixture = Fixture::on(cluster, "plan").await;
    let (code, text) = plan(&fixture, KOPF_DEMO_CR);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("-- DatabaseTable plan/website-users\nCREATE TABLE \"public\".\"website_users\" ("),
        "{text}"
    );
    assert_eq!(schema(&fixture).await, [""; 0]);

    let operator = fixture.operator().start();
    fixture.apply(KOPF_DEMO_CR);
    fixture.until_ready("website-users").await;
    let before = schema(&fixture).await;
    let (code, text) = plan(&fixture, KOPF_DEMO_CR);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("-- table public.website_users is as the spec asks"), "{text}");

    let added = KOPF_DEMO_CR
        .replace("    - USER_NAME", "    - COUNTRY: {type: char(2), default: \"'DE'\"}\n    - USER_NAME");
    let (code, text) = plan(&fixture, &added);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("ADD COLUMN \"country\" character(2) DEFAULT 'DE'"), "{text}");

    let needy = KOPF_DEMO_CR.replace(
        "    - USER_NAME",
        "    - NEEDED: {type: text, nullable: false}\n    - GIVEN: {type: given, nullable: false}\n    - USER_NAME",
    );
    fixture
        .sql("CREATE DOMAIN given AS text DEFAULT 'x'; INSERT INTO website_users (user_id) VALUES ('1')")
        .await;
    let (code, text) = plan(&fixture, &needy);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("-- ERROR: column \"needed\" is NOT NULL and has no default"), "{text}");
    assert!(!text.contains("ERROR: column \"given\""), "{text}");

    let second =
        KOPF_DEMO_CR.replace("name: website-users", "name: others").replace("WEBSITE_USERS", "others");
    let twin = second.replace("name: others", "name: twin");
    let (code, text) = plan(&fixture, &format!("{second}\n---\n{twin}"));
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("-- DatabaseTable plan/twin\n-- Conflict: ") && text.contains("plan/others"),
        "{text}"
    );
    let (code, text) = plan(&fixture, &format!("{second}\n---\n{second}"));
    assert_eq!(
        (code, text.contains("the DatabaseTable plan/others stands there twice")),
        (1, true),
        "{text}"
    );

    let removed = KOPF_DEMO_CR.replace("    - USER_EMAIL: varchar(100)\n", "");
    let (code, text) =
        plan(&fixture, &format!("{removed}\n---\n{}", added.replace("website-users", "other")));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("-- UpdateAborted: ") && text.contains("-- held back: "), "{text}");
    assert!(text.contains("-- DatabaseTable plan/other\n-- Conflict: "), "{text}");
    assert_eq!(schema(&fixture).await, before);
    drop(operator);
}

#[tokio::test]
async fn plan_reads_manifests_as_kubectl_does() {
    let cluster = Cluster::with_full_crd().await;
    let fixture = Fixture::on(cluster, "planned").await;
    let kubeconfig = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planned-kubeconfig");
    fs::copy(fixture.cluster.control_plane.kubeconfig(), &kubeconfig).unwrap();
    let mut kubectl = fixture.kubectl();
    kubectl.arg("--kubeconfig").arg(&kubeconfig).args([
        "config",
        "set-context",
        "--current",
        "--namespace=mine",
    ]);
    assert!(kubectl.output().unwrap().status.success());
    let manifest = "apiVersion: kopf.demo/v1\nkind: DatabaseTable\nmetadata: {name: odd}\n\
                    spec:\n  tableName: odd\n  columns:\n    - N: integer\n    - 010: text\n";
    let words = ["plan", "-f", "-"];
    let (code, text) = run_with(&fixture, &words, manifest, &kubeconfig);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("-- DatabaseTable mine/odd\n"), "{text}");
    assert!(text.contains("WARNING: a column is named false"), "{text}");
    fixture.apply(manifest);
    let columns =
        fixture.kubectl().args(["get", "databasetable", "odd", "-o", "jsonpath={.spec.columns}"]).output();
    let columns: Vec<BTreeMap<String, String>> = serde_json::from_slice(&columns.unwrap().stdout).unwrap();
    for name in columns.iter().flat_map(BTreeMap::keys) {
        assert!(text.contains(&format!("  \"{name}\" ")), "{name}: {text}");
    }
    let (code, text) = run(&fixture, &["plan", "--file", "x"], "");
    assert_eq!(code, 64, "{text}");
}

#[tokio::test]
async fn plan_knows_what_kopf_has_made_for_an_object_and_what_comes_then() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "plan-note").await;
    fixture
        .sql("CREATE TABLE noted (id integer PRIMARY KEY); CREATE TABLE other (id integer, more text)")
        .await;
    let before = schema(&fixture).await;
    let object = |table: &str, columns: Value, annotations: Value| {
        let spec = json!({"tableName": table, "columns": columns, "primaryKey": "id"});
        let metadata = json!({"name": table, "annotations": annotations});
        json!({"apiVersion": "kopf.demo/v1", "kind": "DatabaseTable", "metadata": metadata, "spec": spec})
    };
    let columns = || json!([{"id": "integer"}]);
    for table in ["noted", "other"] {
        let note = json!({"spec": object(table, columns(), json!({}))["spec"]}).to_string();
        let annotations = json!({"kopf.zalando.org/last-handled-configuration": note});
        fixture.apply(&object(table, columns(), annotations).to_string());
    }
    let noted = object("noted", columns(), json!({})).to_string();
    let (code, text) = plan(&fixture, &noted);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("-- table public.noted is taken over: from then on it is the object's"), "{text}");
    let more = object("noted", json!([{"id": "integer"}, {"name": "text"}]), json!({})).to_string();
    let (code, text) = plan(&fixture, &more);
    assert_eq!(code, 2, "{text}");
    let expected = "and is dropped with it, with all rows, unless deletionPolicy is Retain\nALTER TABLE \"public\".\"noted\" ADD COLUMN";
    assert!(text.contains(expected), "{text}");
    let (code, text) = plan(&fixture, &object("other", columns(), json!({})).to_string());
    assert!(code == 1 && text.contains("-- Conflict: ") && !text.contains("wasn't read"), "{text}");
    // Without the cluster, it can't be known.
    let words = ["plan", "-f", "-", "--namespace=plan-note", "--cluster-id=c"];
    let (code, text) = run(&fixture, &words, &noted);
    let unread = "-- WARNING: the object in the cluster wasn't read (--cluster-id stands for the cluster): if the Kopf demo's";
    assert!(code == 1 && text.contains(unread), "{text}");
    assert_eq!(schema(&fixture).await, before);
    let comment = "SELECT concat(obj_description('noted'::regclass, 'pg_class'))";
    assert_eq!(fixture.query(comment).await, [""]);
}

#[tokio::test]
async fn tables_that_are_imported_are_taken_over_as_they_are() {
    let cluster = Cluster::with_full_crd().await;
    let fixture = Fixture::on(cluster, "import").await;
    fixture
        .sql(
            "CREATE TABLE \"Orders\" (id bigserial PRIMARY KEY, \"Customer\" integer NOT NULL, state text NOT NULL DEFAULT 'new', \
               placed timestamptz DEFAULT now(), note varchar(20) COLLATE \"C\", total numeric(10, 2) DEFAULT 0, \
               nick varchar(9) DEFAULT NULL::varchar, twice numeric GENERATED ALWAYS AS (total * 2) STORED, code text UNIQUE); \
             COMMENT ON COLUMN \"Orders\".note IS 'Ask Eva.'; \
             CREATE INDEX orders_by_customer ON \"Orders\" (\"Customer\", placed); \
             CREATE INDEX orders_odd ON \"Orders\" (lower(note)); \
             CREATE TABLE lines (\"order\" bigint, nr integer GENERATED BY DEFAULT AS IDENTITY, tags text[], odd text DEFAULT upper('x'), \
               n integer, \"1_0\" integer, \"No\" text DEFAULT 'no', PRIMARY KEY (\"order\", nr)); \
             CREATE TABLE \"a\nb\" (a text DEFAULT upper(E'x\\n---\\napiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: evil}\\n---')); \
             CREATE TABLE folded (); \
             CREATE TABLE strange (a integer); \
             INSERT INTO \"Orders\" (\"Customer\") VALUES (7)",
        )
        .await;
    let superuser = fixture.database.connect_as_superuser().await.unwrap();
    superuser.batch_execute("ALTER TABLE strange OWNER TO CURRENT_USER").await.unwrap();
    let before = schema(&fixture).await;
    let (code, manifests) = run(&fixture, &["import"], "");
    assert_eq!(code, 0, "{manifests}");
    assert!(
        manifests.contains("# table \"public\".\"folded\" is left out: spec.columns is empty"),
        "{manifests}"
    );
    assert!(manifests.contains("# column \"odd\" keeps its default, upper('x'::text)"), "{manifests}");
    assert!(manifests.contains("# index \"orders_odd\" is left alone"), "{manifests}");
    assert!(manifests.contains("# the table belongs to the role "), "{manifests}");
    let (code, text) = plan(&fixture, &manifests);
    assert_eq!(code, 2, "{text}\n{manifests}");
    let adopted = "-- table public.lines is taken over: from then on it is the object's, and stays when that is deleted";
    assert!(
        text.contains(adopted) && text.lines().all(|line| line.is_empty() || line.starts_with("--")),
        "{text}"
    );

    let operator = fixture.operator().start();
    fixture.apply(&manifests);
    for name in ["orders", "lines", "a-b"] {
        fixture.until_ready(name).await;
    }
    let written = fixture.kubectl().args(["get", "configmap", "evil"]).output().unwrap();
    assert!(!written.status.success(), "{manifests}");
    assert_eq!(schema(&fixture).await, before, "{manifests}");
    let (code, again) = run(&fixture, &["import", "\"Orders\"", "nothing"], "");
    assert_eq!(code, 1, "{again}");
    assert!(
        again.contains("\"Orders\" is left out: it is that of the DatabaseTable import/orders"),
        "{again}"
    );
    assert!(again.contains("error: there is no table \"public\".\"nothing\""), "{again}");
    drop(operator);
}
