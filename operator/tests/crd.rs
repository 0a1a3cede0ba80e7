//! The CRD on a real API server: it accepts the Kopf demo's object and rejects mistakes at once.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

use korf_sandbox::{ControlPlane, Ticker, until_served};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

/// A control plane of its own: other suites use the Kopf demo's CRD, which has the same name.
struct World {
    plane: ControlPlane,
    _ticker: Ticker,
}

impl World {
    async fn start() -> Self {
        let ticker = Ticker::start("applying objects to a real API server");
        Self { plane: ControlPlane::start().await.unwrap(), _ticker: ticker }
    }

    fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.plane.kubectl().unwrap();
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Creates the CRD of a file, and waits until it is served.
    fn install(&self, file: &str) {
        self.must(&["apply", "-f", "-"], &manifest(file));
        until_served(|| self.plane.kubectl(), &["databasetables.kopf.demo"]).unwrap();
    }

    /// Creates the rules, and waits until they count.
    async fn install_rules(&self) {
        self.must(&["apply", "-f", "-"], &manifest("admission.yaml"));
        let twice = json!({"tableName": "t", "columns": [{"a": "int"}, {"A": "int"}]});
        let twice = object("rules", &twice).to_string();
        for _ in 0..200 {
            let arguments = ["create", "--dry-run=server", "-f", "-"];
            let output = self.kubectl(&arguments, &twice);
            if String::from_utf8_lossy(&output.stderr).contains("has the column a twice") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the rules don't count");
    }

    /// The output of kubectl, which must succeed.
    fn must(&self, arguments: &[&str], input: &str) -> String {
        let output = self.kubectl(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The message with which an object with this spec is rejected.
    fn rejected(&self, name: &str, spec: &Value) -> String {
        let output = self.kubectl(&["apply", "-f", "-"], &object(name, spec).to_string());
        assert!(!output.status.success(), "{spec} is accepted");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn manifest(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(name)).unwrap()
}

fn object(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "kopf.demo/v1", "kind": "DatabaseTable", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn the_crd_accepts_good_objects_and_rejects_others_with_a_message() {
    let world = World::start().await;
    world.install("crd.yaml");
    let crd = "{.status.conditions[?(@.type==\"NonStructuralSchema\")].message}";
    assert_eq!(
        world.must(&["get", "crd", "databasetables.kopf.demo", "-o", &format!("jsonpath={crd}")], ""),
        ""
    );

    world.must(&["apply", "-f", "-"], &manifest("kopf-demo-cr.yaml"));
    let good = json!({
        "tableName": "\"T\"", "schema": "app", "createSchema": true, "columns": [{"a": "int"}, {"b": "int"}], "primaryKey": ["a", "b"],
        "indexes": [{"name": "i", "columns": ["b"]}, {"name": "j", "columns": ["b", "a"], "unique": true, "method": "btree"}],
    });
    world.must(&["apply", "-f", "-"], &object("good", &good).to_string());
    let long = json!({"tableName": "long", "columns": [
        {"a": {"type": "int", "nullable": false, "default": 5, "unique": true, "comment": "c"}},
        {"b": {"type": "text", "default": "'x'", "collation": "C", "renamedFrom": "old"}},
        {"c": {"type": "int", "identity": "Always"}},
        {"d": {"type": "int", "generated": "a + 1", "default": null}},
    ]});
    world.must(&["apply", "-f", "-"], &object("long", &long).to_string());
    mistakes_are_rejected(&world);
    a_new_object_is_not_seen_yet(&world);
    kubectl_get_prints_the_status(&world);
}

fn mistakes_are_rejected(world: &World) {
    let with = |field: &str, value: Value| json!({"tableName": "t", "columns": [{"a": "int"}], field: value});
    for (spec, why) in [
        (json!({"columns": [{"a": "int"}]}), "spec.tableName: Required value"),
        (json!({"tableName": "t"}), "spec.columns: Required value"),
        (
            json!({"tableName": "", "columns": [{"a": "int"}]}),
            "spec.tableName in body should be at least 1 chars long",
        ),
        (json!({"tableName": "t", "columns": []}), "spec.columns in body should have at least 1 items"),
        (json!({"tableName": "t", "columns": [{"a": "int", "b": "int"}]}), "must have at most 1 item"),
        (json!({"tableName": "t", "columns": [{}]}), "should have at least 1 properties"),
        (
            json!({"tableName": "t", "columns": [{"a": {"type": 1}}]}),
            "spec.columns[0].a.type in body must be of type string: \"integer\"",
        ),
        (
            json!({"tableName": "t", "columns": [{"a": {"nullable": false}}]}),
            "spec.columns[0].a.type: Required value",
        ),
        (
            json!({"tableName": "t", "columns": [{"a": {"type": "int", "nullable": "no"}}]}),
            "spec.columns[0].a.nullable in body must be of type boolean: \"string\"",
        ),
        (
            json!({"tableName": "t", "columns": [{"a": {"type": "int", "identity": "always"}}]}),
            "spec.columns[0].a.identity: Unsupported value: \"always\"",
        ),
        (json!({"tableName": "t", "columns": [{"a": "x".repeat(1025)}]}), "may not be more than 1024 bytes"),
        (json!({"tableName": 1, "columns": [{"a": "int"}]}), "must be of type string"),
        (json!({"tableName": "t", "columns": {"a": "int"}}), "unknown field \"spec.columns.a\""),
        (json!({"tableName": "t", "columns": "a"}), "must be of type array"),
        (json!({"tableName": "t", "columns": [{"a": "int"}], "primaryKey": ""}), "spec.primaryKey"),
        (json!({"tableName": "t", "columns": [{"a": "int"}], "primaryKey": []}), "spec.primaryKey"),
        (with("schema", json!("")), "spec.schema in body should be at least 1 chars long"),
        (with("createSchema", json!("yes")), "must be of type boolean"),
        (with("indexes", json!({"name": "i"})), "unknown field \"spec.indexes.name\""),
        (with("indexes", json!([{"columns": ["a"]}])), "spec.indexes[0].name: Required value"),
        (with("indexes", json!([{"name": "i"}])), "spec.indexes[0].columns: Required value"),
        (with("indexes", json!([{"name": "i", "columns": "a"}])), "must be of type array"),
        (with("indexes", json!([{"name": "i", "columns": []}])), "should have at least 1 items"),
        (
            with("deletionPolicy", json!("retain")),
            "spec.deletionPolicy: Unsupported value: \"retain\": supported values: \"Delete\", \"Retain\"",
        ),
        (with("adoptionPolicy", json!("Always")), "supported values: \"Never\", \"IfCompatible\""),
        (
            with("indexes", json!([{"name": "i", "columns": ["a"], "where": "a > 1"}])),
            "unknown field \"spec.indexes[0].where\"",
        ),
        (
            with("indexes", json!([{"name": "i", "columns": ["a"], "method": "bloom"}])),
            "supported values: \"btree\", \"hash\", \"gin\", \"gist\", \"brin\", \"spgist\"",
        ),
    ] {
        let message = world.rejected("bad", &spec);
        assert!(message.contains(why), "{spec}: {message}");
    }
}

fn a_new_object_is_not_seen_yet(world: &World) {
    assert_eq!(
        world.must(&["get", "dbt", "good", "-o", "jsonpath={.status}"], ""),
        "{\"observedGeneration\":-1}"
    );
}

fn kubectl_get_prints_the_status(world: &World) {
    let condition = |type_: &str, status: &str| {
        json!({"type": type_, "status": status, "reason": "UpdateAborted", "message": "no", "observedGeneration": 1,
               "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let status = json!({"status": {
        "observedGeneration": 1, "table": "public.\"T\"", "columns": [{"name": "a", "type": "integer"}],
        "columnCount": 1, "primaryKey": ["a"], "conditions": [condition("Ready", "True"), condition("Synced", "False")],
    }});
    let patch = ["patch", "dbt", "good", "--subresource=status", "--type=merge", "-p", &status.to_string()];
    world.must(&patch, "");
    let listed = world.must(&["get", "dbt", "good"], "");
    let rows: Vec<Vec<_>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "TABLE", "COLUMNS", "READY", "REASON", "AGE"]);
    assert_eq!(rows[1][..5], ["good", "public.\"T\"", "1", "True", "UpdateAborted"]);
    let stored: Value = serde_json::from_str(&world.must(&["get", "dbt", "good", "-o", "json"], "")).unwrap();
    assert_eq!(stored["status"], status["status"]);
}

/// Specs, and whole objects, of all sorts of wrong shapes: the Kopf demo's CRD lets them in.
fn wrong_shapes() -> Vec<Value> {
    let good = json!({"tableName": "t", "columns": [{"id": "integer"}], "primaryKey": "id"});
    let long = "x".repeat(300);
    let names = [
        json!(null),
        json!(5),
        json!(""),
        json!(true),
        json!([]),
        json!({}),
        json!(["t"]),
        json!({"name": "t"}),
        json!(long),
        json!(1.5),
    ];
    let columns = [
        json!(null),
        json!("id integer"),
        json!({"id": "integer"}),
        json!([]),
        json!({}),
        json!(5),
        json!(false),
        json!(["id: integer"]),
        json!([{}]),
        json!([{"id": 1}]),
        json!([{"id": null}]),
        json!([{"id": {"type": "integer"}}]),
        json!([{"id": {"type": 5, "nullable": "no", "default": [1], "identity": "x", "comment": {"a": 1}}}]),
        json!([{"id": {"nullable": false, "anything": 1}}]),
        json!([{"id": ["integer"]}]),
        json!([{"id": "integer", "name": "text"}]),
        json!([[{"id": "integer"}]]),
        json!([{"id": "integer"}, 5, "x"]),
        json!([{"id": long.repeat(4)}]),
    ];
    let keys = [
        json!(5),
        json!(""),
        json!([]),
        json!({}),
        json!([5]),
        json!(true),
        json!({"id": true}),
        json!([[]]),
        json!(long),
    ];
    let indexes = [
        json!(5),
        json!("i"),
        json!({"i": ["id"]}),
        json!(["i"]),
        json!([{}]),
        json!([{"name": 5, "columns": 5}]),
        json!([{"name": "", "columns": []}]),
        json!([{"name": "i", "columns": ["id"], "method": "bloom", "unique": "yes", "where": [5]}]),
        json!(vec![json!({"name": "i", "columns": ["id"]}); 200]),
    ];
    let schemas = [json!(5), json!(""), json!([]), json!({"name": "app"}), json!(long)];
    let with = |field: &str, value: &Value| {
        let mut spec = good.clone();
        match value {
            Value::Null => drop(spec.as_object_mut().unwrap().remove(field)),
            value => spec[field] = value.clone(),
        }
        json!({ "spec": spec })
    };
    let policies = [json!("retain"), json!(""), json!(true), json!(["Retain"]), json!({})];
    let statuses = [
        json!({"create_handler": "done"}),
        json!({"columnCount": "5", "table": 5}),
        json!({"conditions": {"Ready": true}}),
        json!({"conditions": [{"type": 5}]}),
        json!({"columns": "a, b", "primaryKey": 5}),
        json!({"observedGeneration": "1"}),
    ];
    let mut all: Vec<_> = names.iter().map(|value| with("tableName", value)).collect();
    all.extend(columns.iter().map(|value| with("columns", value)));
    all.extend(keys.iter().map(|value| with("primaryKey", value)));
    for field in ["deletionPolicy", "adoptionPolicy", "driftPolicy"] {
        all.extend(policies.iter().map(|value| with(field, value)));
    }
    all.extend(indexes.iter().map(|value| with("indexes", value)));
    all.extend(schemas.iter().flat_map(|value| [with("schema", value), with("createSchema", value)]));
    all.extend(statuses.iter().map(|status| json!({"spec": good, "status": status})));
    all.extend([json!({}), json!({"spec": {}}), json!({"spec": {"schema": "app", "extra": [1]}})]);
    all
}

#[tokio::test]
async fn every_object_that_the_kopf_demos_crd_has_let_in_can_be_changed_and_deleted_under_this_one() {
    let world = World::start().await;
    world.install("kopf-demo-crd.yaml");
    let shapes = wrong_shapes();
    assert!(shapes.len() >= 40);
    let client = world.plane.client().await.unwrap();
    let kind = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("kopf.demo", "v1", "DatabaseTable"),
        "databasetables",
    );
    let tables: Api<DynamicObject> = Api::namespaced_with(client, "default", &kind);
    for (number, shape) in shapes.iter().enumerate() {
        let mut object = object(&format!("t{number}"), &shape["spec"]);
        object["metadata"]["finalizers"] = json!(["kopf.zalando.org/KopfFinalizerMarker"]);
        if shape.get("spec").is_none() {
            object.as_object_mut().unwrap().remove("spec");
        }
        if let Some(status) = shape.get("status") {
            object["status"] = status.clone();
        }
        tables.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }
    world.must(&["replace", "-f", "-"], &manifest("crd.yaml"));
    until_the_schema_is_there(&tables).await;
    world.install_rules().await;

    let status = json!({
        "table": "public.t", "columnCount": 1, "columns": [{"name": "id", "type": "integer"}], "primaryKey": ["id"],
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Applied", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    });
    for (number, shape) in shapes.iter().enumerate() {
        let (name, params) = (format!("t{number}"), PatchParams::default());
        let annotate =
            Patch::Merge(json!({"metadata": {"annotations": {"kopf.zalando.org/create_handler": "{}"}}}));
        tables
            .patch(&name, &params, &annotate)
            .await
            .unwrap_or_else(|error| panic!("annotation of {shape}: {error}"));
        let status = Patch::Merge(json!({ "status": status }));
        tables
            .patch_status(&name, &params, &status)
            .await
            .unwrap_or_else(|error| panic!("status of {shape}: {error}"));
        tables.delete(&name, &DeleteParams::default()).await.unwrap();
        let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        tables
            .patch(&name, &params, &release)
            .await
            .unwrap_or_else(|error| panic!("release of {shape}: {error}"));
        assert!(tables.get_opt(&name).await.unwrap().is_none(), "{shape}");
    }
}

/// Waits until the API server serves the new schema: it rejects what breaks it.
async fn until_the_schema_is_there(tables: &Api<DynamicObject>) {
    let bad = serde_json::from_value(object("probe", &json!({"tableName": ""}))).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    for _ in 0..600 {
        if tables.create(&dry, &bad).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the API server has the schema of before");
}

#[tokio::test]
async fn the_rules_say_what_to_write_and_look_at_changed_specs_alone() {
    let world = World::start().await;
    world.install("crd.yaml");
    // One from before.
    let old = json!({"tableName": "t", "columns": [{"a": "int not null"}], "primaryKey": "b"});
    world.must(&["apply", "-f", "-"], &object("old", &old).to_string());
    world.install_rules().await;

    let long = "x".repeat(64);
    let with = |field: &str, value: Value| {
        let mut spec = json!({"tableName": "t", "columns": [{"a": "int"}]});
        spec[field] = value;
        spec
    };
    for (spec, why) in [
        (
            json!({"tableName": "t", "columns": [{"a": "int"}, {"b": "int"}, {"\"b\"": "int"}]}),
            "spec.columns has the column b twice: unquoted names are folded to lower case, so rename or remove one",
        ),
        (
            json!({"tableName": "t", "columns": [{"A": "int NOT NULL"}]}),
            "column A: int NOT NULL is more than a type: write the rest beside it, as in A: {type: …, nullable: false",
        ),
        (json!({"tableName": "t", "columns": [{"a": "int primary key"}]}), "and a key in spec.primaryKey"),
        (
            json!({"tableName": "t", "columns": [{"a": "int"}], "primaryKey": ["A", "b"]}),
            "spec.primaryKey names b, which is not a column: add it to spec.columns, or correct the name",
        ),
        (
            json!({"tableName": long, "columns": [{"a": "int"}]}),
            "spec.tableName has 64 bytes: PostgreSQL allows 63",
        ),
        (json!({"tableName": "t", "columns": [{long: "int"}]}), "is longer than 63 bytes: shorten it"),
        (with("tableName", json!("my table")), "the name my table has white space, a dot or a control character: remove it, or, if it is part of the name, quote the name, as in '\"my table\"'"),
        (with("tableName", json!("app.t")), "the name app.t has white space, a dot"),
        (with("schema", json!("a\tb")), "has white space, a dot or a control character"),
        (with("tableName", json!("\"app\".\"t\"")), "is quoted incorrectly: put a double quote before and after it, and double those inside"),
        (with("columns", json!([{"a": "int"}, {"a b": "int"}])), "the name a b has white space"),
        (with("columns", json!([{"a": "int"}, {"b\"": "int"}])), "the name b\" is quoted incorrectly"),
        (with("indexes", json!([{"name": "i j", "columns": ["a"]}])), "the name i j has white space"),
        (
            with("columns", json!([{"A": {"type": "int", "identity": "Always", "default": 5}}])),
            "column A has identity and default, and each says where its values come from: keep one of them",
        ),
        (
            with("columns", json!([{"a": {"type": "int", "default": 5, "generated": "1", "identity": "Always"}}])),
            "column a has identity and default and generated",
        ),
        (
            with("columns", json!([{"a": "int"}, {"b": {"type": "int", "renamedFrom": "A"}}])),
            "column b: renamedFrom names a, which is a column in spec.columns itself: remove renamedFrom, or that column",
        ),
        (
            with("columns", json!([{"a": {"type": "int", "renamedFrom": "x"}}, {"b": {"type": "int", "renamedFrom": "X"}}])),
            "column a: renamedFrom names x, and so does that of another column: a column can only become one",
        ),
        (
            with("indexes", json!([{"name": "i", "columns": ["A", "c"]}])),
            "index i names c, which is not a column: add it to spec.columns, or correct the name",
        ),
        (
            with("indexes", json!([{"name": "i", "columns": ["a"], "unique": true, "method": "gin"}])),
            "index i is unique, and only the method btree can be, not gin: remove unique, or the method",
        ),
        (
            with("createSchema", json!(true)),
            "spec.createSchema is true, and spec.schema is missing: name the schema that is to be created, or remove createSchema",
        ),
        (
            with("connectionSecretRef", json!({"namespace": "db"})),
            "spec.connectionSecretRef has no name: name the Secret, as in connectionSecretRef: {name: pg-app}",
        ),
        // The largest specs don't cost too much to be looked at.
        (
            json!({"tableName": "t", "primaryKey": (0..31).map(|n| format!("c{n}")).chain(["nobody".to_owned()]).collect::<Vec<_>>(), "columns": (0..1600)
                .map(|n| json!({format!("c{n}"): {"type": "varchar(100)", "nullable": false, "default": "'x'", "renamedFrom": format!("d{n}")}}))
                .collect::<Vec<_>>()}),
            "spec.primaryKey names nobody",
        ),
        (
            with("indexes", (0..50).map(|n| json!({"name": format!("i{n}"), "columns": ["a"], "unique": n == 49, "method": "hash"})).collect()),
            "index i49 is unique",
        ),
    ] {
        let message = world.rejected("bad", &spec);
        assert!(message.contains(why), "{spec}: {message}");
    }
    for (number, spec) in [
        json!({"tableName": "\"T\"", "columns": [{"a": "timestamp with time zone"}, {"\"A\"": "\"my default\""}],
               "primaryKey": "\"A\""}),
        json!({"tableName": "many", "columns": (0..1600).map(|n| json!({format!("c{n}"): "int"})).collect::<Vec<_>>(),
               "primaryKey": "c1599"}),
        json!({"tableName": "größe-1", "schema": "\"My \"\"App\"\".\"", "createSchema": true, "connectionSecretRef": {"name": "pg"},
               "columns": [{"a": {"type": "int", "renamedFrom": "\"A\"", "default": null, "generated": "b + 1"}},
                           {"b": {"type": "int", "identity": "Always", "default": null}}],
               "indexes": [{"name": "i", "columns": ["A"], "unique": true, "method": "btree"}, {"name": "j", "columns": ["b"], "method": "gin"},
                           {"name": "k", "columns": ["b"], "unique": true}]}),
    ]
    .iter()
    .enumerate()
    {
        world.must(&["create", "-f", "-"], &object(&format!("fine-{number}"), spec).to_string());
    }

    names_count_once_there_is_a_table(&world);
    a_denied_edit_deletes_nothing_by_force(&world);
}

/// What an API server calls invalid, `kubectl apply --force`, Flux and Argo CD take for a field that can't be changed: they delete the
/// object, and its table with it, and create another one.
fn a_denied_edit_deletes_nothing_by_force(world: &World) {
    let fine = json!({"tableName": "t", "columns": [{"a": "int"}]});
    world.must(&["apply", "-f", "-"], &object("forced", &fine).to_string());
    let uid = || world.must(&["get", "dbt", "forced", "-o", "jsonpath={.metadata.uid}"], "");
    let before = uid();
    let mistake = json!({"tableName": "t", "columns": [{"a": "int"}], "primaryKey": "b"});
    let output = world.kubectl(&["apply", "--force", "-f", "-"], &object("forced", &mistake).to_string());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("spec.primaryKey names b, which is not a column"), "{message}");
    assert!(message.contains("(Forbidden)"), "{message}");
    assert_eq!(uid(), before);
    // Flux goes by the text, too.
    let rules = manifest("admission.yaml");
    assert!(!rules.contains("is immutable") && !rules.contains("immutable field"));
}

/// The table of `old` is `public."U"`, with the key `a`.
fn names_count_once_there_is_a_table(world: &World) {
    let change = |spec: &Value| {
        let patch = json!({ "spec": spec }).to_string();
        let output = world.kubectl(&["patch", "dbt", "old", "--type=merge", "-p", &patch], "");
        match output.status.success() {
            true => None,
            false => Some(String::from_utf8(output.stderr).unwrap()),
        }
    };
    let allowed = |spec: Value| assert_eq!(change(&spec), None, "{spec}");
    let denied = |spec: Value, why: &str| {
        let message = change(&spec).unwrap_or_else(|| panic!("{spec} is accepted"));
        assert!(message.contains(why), "{spec}: {message}");
    };
    let status = |ready: &str| {
        let condition = json!({"type": "Ready", "status": ready, "reason": "r", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status =
            json!({"status": {"table": "app.\"U\"", "primaryKey": ["a"], "conditions": [condition]}});
        world.must(
            &["patch", "dbt", "old", "--subresource=status", "--type=merge", "-p", &status.to_string()],
            "",
        );
    };
    let columns = json!([{"a": "int"}, {"c": "int"}]);
    allowed(json!({"tableName": "v", "columns": columns, "primaryKey": null}));
    allowed(json!({"tableName": "\"U\"", "schema": "App", "primaryKey": "A"}));
    status("True");
    denied(
        json!({"tableName": "v"}),
        "this object has the table app.\"U\", which can't be renamed: set spec.tableName back, or create another object for v",
    );
    denied(json!({"tableName": "u"}), "can't be renamed");
    denied(
        json!({"schema": "public"}),
        "this object has the table app.\"U\", which can't be moved: set spec.schema back, or create another object for schema public",
    );
    let key = "this object has a table whose primary key is a, and a key can't be changed: set spec.primaryKey back, or create another object";
    denied(json!({"primaryKey": ["a", "c"]}), key);
    denied(json!({"primaryKey": "c"}), key);
    denied(json!({"primaryKey": null}), key);
    // What says the same, and a key whose column is renamed.
    allowed(json!({"schema": "\"app\"", "primaryKey": ["\"a\""]}));
    allowed(json!({"schema": null}));
    allowed(json!({"schema": "APP"}));
    allowed(json!({"primaryKey": "b", "columns": [{"b": {"type": "int", "renamedFrom": "A"}}]}));
    allowed(json!({"primaryKey": "a", "columns": columns}));
    // The way back, and the ways that the operator tells where the table isn't as the spec asks.
    status("False");
    allowed(json!({"tableName": "v", "schema": "public", "primaryKey": "c"}));
    status("Unknown");
    denied(json!({"tableName": "w"}), "can't be renamed");
    allowed(json!({"tableName": "\"U\"", "schema": "app", "primaryKey": "a"}));
}
