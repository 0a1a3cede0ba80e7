//! Request sequences of server-side apply and of JSON patches.

use super::{
    cases::{MAPS, THINGS, delete, get, patch, post, put, thing, version},
    talk::{Case, Seen, Step},
};
use http::Method;
use serde_json::{Value, json};

const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json-patch+json";

/// An apply; `target` is the name, with the query.
fn apply(path: &'static str, target: &'static str, body: Value) -> Step {
    apply_by(path, target, move |_| body.clone())
}

fn apply_by(path: &'static str, target: &'static str, body: impl Fn(Seen<'_>) -> Value + 'static) -> Step {
    Step::new(Method::PATCH, move |_| format!("{path}/{target}"), move |seen| Some(body(seen))).of_type(APPLY)
}

fn json_patch(path: &'static str, target: &'static str, body: Value) -> Step {
    Step::new(Method::PATCH, move |_| format!("{path}/{target}"), move |_| Some(body.clone())).of_type(JSON)
}

fn map(rest: Value) -> Value {
    let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    json_patch::merge(&mut map, &rest);
    map
}

/// The spec of a thing, and nothing else.
fn a(spec: Value) -> Value {
    thing("a", json!({"spec": spec}))
}

pub fn all() -> Vec<Case> {
    let applies = [creations(), removals(), config_maps(), conflicts(), lists(), metadata(), statuses()];
    applies.into_iter().chain([deletions(), mistakes(), json_patches()]).collect()
}

fn creations() -> Case {
    let steps = vec![
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 1}))),
        get(THINGS, "/a"),
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 1}))),
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 2}))),
        // Another manager of the same value changes the object's managers.
        apply(THINGS, "a?fieldManager=n", a(json!({"a": 2}))),
        apply(THINGS, "a?fieldManager=n", a(json!({"a": 2}))),
        apply(
            THINGS,
            "b?fieldManager=m",
            thing("b", json!({"metadata": {"labels": {"l": "1"}}, "status": {"ready": true}})),
        ),
        apply(
            THINGS,
            "b?fieldManager=m",
            thing("b", json!({"metadata": {"labels": {"l": "1"}}, "status": {"ready": true}})),
        ),
        get(THINGS, "?labelSelector=l"),
    ];
    Case { title: "applies that create", steps }
}

fn removals() -> Case {
    let steps = vec![
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 1, "text": "t", "table": {"x": "1", "y": "2"}}))),
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 1, "table": {"x": "1"}}))),
        patch(THINGS, "a?fieldManager=u", json!({"spec": {"table": {"z": "3"}}})),
        apply(THINGS, "a?fieldManager=n", a(json!({"table": {"x": "1"}}))),
        // Both have applied x; the first one lets it go.
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 1}))),
        apply(THINGS, "a?fieldManager=n", a(json!({}))),
        patch(THINGS, "a?fieldManager=u", json!({"spec": {"table": {"z": null}}})),
        apply(THINGS, "a?fieldManager=m", a(json!({}))),
        apply(THINGS, "b?fieldManager=m", thing("b", json!({"spec": {"table": {"x": "1"}}}))),
        apply(THINGS, "b?fieldManager=m", thing("b", json!({}))),
    ];
    Case { title: "applies that remove", steps }
}

fn config_maps() -> Case {
    let steps = vec![
        apply(MAPS, "a?fieldManager=m", map(json!({"data": {"k": "1", "l": "1"}}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"data": {"k": "2"}}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"data": {"k": "2"}}))),
        apply(MAPS, "a?fieldManager=n", map(json!({"data": {"k": "3"}}))),
        apply(MAPS, "a?fieldManager=n&force=true", map(json!({"data": {"k": "3"}}))),
        apply(MAPS, "a?fieldManager=n", map(json!({"metadata": {"labels": {"l": "1"}}}))),
        apply(MAPS, "a?fieldManager=m", map(json!({}))),
        put(MAPS, "a?fieldManager=u", |_| map(json!({"data": {"u": "1"}}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"data": {"u": "2"}}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"data": {"v": "2"}}))),
    ];
    Case { title: "applies of config maps", steps }
}

fn conflicts() -> Case {
    let steps = vec![
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 1, "text": "t"}))),
        apply(THINGS, "a?fieldManager=n", a(json!({"a": 2}))),
        apply(THINGS, "a?fieldManager=n", a(json!({"a": 2, "text": "u"}))),
        apply(THINGS, "a?fieldManager=n&force=false", a(json!({"a": 2}))),
        apply(THINGS, "a?fieldManager=n&force=true", a(json!({"a": 2}))),
        // The first one still applies what the second has taken.
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 1, "text": "t"}))),
        patch(THINGS, "a?fieldManager=u", json!({"spec": {"text": "by u"}})),
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 2, "text": "t"}))),
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 3, "text": "t"}))),
        apply(THINGS, "a?fieldManager=m&force=true", a(json!({"a": 3, "text": "t"}))),
        // Fields of a creation belong to its manager, too.
        post(MAPS, map(json!({"data": {"k": "1"}}))).asking("?fieldManager=u"),
        apply(MAPS, "a?fieldManager=m", map(json!({"data": {"k": "1", "l": "1"}}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"data": {"k": "2", "l": "1"}}))),
    ];
    Case { title: "conflicts of applies", steps }
}

fn lists() -> Case {
    let parts = |parts: Value| a(json!({"parts": parts}));
    let steps = vec![
        apply(THINGS, "a?fieldManager=m", parts(json!([{"name": "x", "size": 1}, {"name": "y", "size": 2}]))),
        apply(THINGS, "a?fieldManager=n", parts(json!([{"name": "z", "size": 3}]))),
        apply(
            THINGS,
            "a?fieldManager=n",
            parts(json!([{"name": "z", "size": 3}, {"name": "x", "word": "w"}])),
        ),
        apply(THINGS, "a?fieldManager=n", parts(json!([{"name": "z", "size": 3}, {"name": "y", "size": 9}]))),
        apply(THINGS, "a?fieldManager=m", parts(json!([{"name": "y", "size": 2}, {"name": "x"}]))),
        apply(THINGS, "a?fieldManager=m", parts(json!([{"name": "y", "size": 2}]))),
        apply(THINGS, "a?fieldManager=n", parts(json!([]))),
        apply(
            THINGS,
            "b?fieldManager=m",
            thing("b", json!({"spec": {"words": ["a", "b"], "tags": ["a", "b"]}})),
        ),
        apply(THINGS, "b?fieldManager=n", thing("b", json!({"spec": {"tags": ["c", "b"]}}))),
        apply(THINGS, "b?fieldManager=n", thing("b", json!({"spec": {"words": ["c"]}}))),
        apply(THINGS, "b?fieldManager=m", thing("b", json!({"spec": {"words": ["c"], "tags": ["a"]}}))),
        apply(THINGS, "b?fieldManager=n", thing("b", json!({}))),
    ];
    Case { title: "applies of lists", steps }
}

fn metadata() -> Case {
    let of = |metadata: Value| thing("a", json!({"metadata": metadata}));
    let owner = |uid: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": uid});
    let steps = vec![
        apply(
            THINGS,
            "a?fieldManager=m",
            of(json!({"labels": {"l": "1"}, "annotations": {"n": "1"}, "finalizers": ["x/y"]})),
        ),
        apply(THINGS, "a?fieldManager=n", of(json!({"labels": {"l": "2"}}))),
        apply(
            THINGS,
            "a?fieldManager=n",
            of(json!({"finalizers": ["x/z"], "ownerReferences": [owner("1")]})),
        ),
        apply(THINGS, "a?fieldManager=m", of(json!({"ownerReferences": [owner("2")]}))),
        apply(THINGS, "a?fieldManager=n", of(json!({}))),
        apply_by(THINGS, "a?fieldManager=m", |seen| {
            thing("a", json!({"metadata": {"resourceVersion": version(seen, 0)}}))
        }),
        apply_by(THINGS, "a?fieldManager=m", |seen| {
            thing("a", json!({"metadata": {"resourceVersion": version(seen, 4)}}))
        }),
        apply(THINGS, "a?fieldManager=m", of(json!({"uid": "other"}))),
        apply(
            THINGS,
            "a?fieldManager=m",
            of(json!({"generation": 9, "creationTimestamp": "2026-01-01T00:00:00Z"})),
        ),
    ];
    Case { title: "applies of metadata", steps }
}

fn statuses() -> Case {
    let status = |ready: bool| {
        thing("a", json!({"status": {"ready": ready}, "spec": {"a": 9}, "metadata": {"labels": {"l": "1"}}}))
    };
    let bare = |status: Value| json!({"apiVersion": "c.korf.dev/v1", "kind": "Thing", "metadata": {"name": "a"}, "status": status});
    let steps = vec![
        apply(THINGS, "a/status?fieldManager=m", status(true)),
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 1}))),
        apply(THINGS, "a/status?fieldManager=m", status(true)),
        apply(THINGS, "a/status?fieldManager=m", status(true)),
        apply(THINGS, "a/status?fieldManager=n", bare(json!({"ready": false}))),
        apply(THINGS, "a/status?fieldManager=n&force=true", bare(json!({"ready": false}))),
        apply(THINGS, "a/status?fieldManager=n", bare(json!(null))),
        patch(THINGS, "a/status?fieldManager=u", json!({"status": {"ready": true}})),
        apply(THINGS, "a/status?fieldManager=n", bare(json!({"ready": false}))),
    ];
    Case { title: "applies of a status", steps }
}

fn deletions() -> Case {
    let steps = vec![
        apply(
            THINGS,
            "a?fieldManager=m",
            thing("a", json!({"metadata": {"finalizers": ["x/y"]}, "spec": {"a": 1}})),
        ),
        delete(THINGS, "a"),
        apply(
            THINGS,
            "a?fieldManager=m",
            thing("a", json!({"metadata": {"finalizers": ["x/y"]}, "spec": {"a": 2}})),
        ),
        apply(THINGS, "a?fieldManager=m", thing("a", json!({"metadata": {"finalizers": ["x/z"]}}))),
        apply(THINGS, "a?fieldManager=m", thing("a", json!({}))),
        get(THINGS, "/a"),
        // A new object of the name has no managers from the old one.
        apply(THINGS, "a?fieldManager=n", a(json!({"a": 3}))),
    ];
    Case { title: "applies under a deletion", steps }
}

fn mistakes() -> Case {
    let steps = vec![
        apply(THINGS, "a", a(json!({}))),
        apply(
            THINGS,
            "a?fieldManager=m",
            json!({"apiVersion": "c.korf.dev/v7", "kind": "Thing", "metadata": {"name": "a"}}),
        ),
        apply(
            THINGS,
            "a?fieldManager=m",
            json!({"apiVersion": "c.korf.dev/v1", "kind": "Other", "metadata": {"name": "a"}}),
        ),
        apply(THINGS, "a?fieldManager=m", json!({"kind": "Thing", "metadata": {"name": "a"}})),
        apply(THINGS, "a?fieldManager=m", thing("b", json!({}))),
        apply(
            THINGS,
            "a?fieldManager=m",
            json!({"apiVersion": "c.korf.dev/v1", "kind": "Thing", "spec": {}}),
        ),
        apply(THINGS, "c?fieldManager=m", thing("c", json!({"metadata": {"resourceVersion": "5"}}))),
        apply(THINGS, "c?fieldManager=m", thing("c", json!({"metadata": {"uid": "5"}}))),
        post(THINGS, thing("a", json!({}))),
        apply(
            THINGS,
            "a?fieldManager=m",
            json!({"apiVersion": "c.korf.dev/v7", "kind": "Thing", "metadata": {"name": "a"}}),
        ),
        apply(
            THINGS,
            "a?fieldManager=m",
            json!({"apiVersion": "c.korf.dev/v1", "kind": "Other", "metadata": {"name": "a"}}),
        ),
        apply(THINGS, "a?fieldManager=m", thing("b", json!({}))),
        apply(THINGS, "a?fieldManager=m", json!({"apiVersion": "c.korf.dev/v1", "kind": "Thing"})),
        apply(
            THINGS,
            "a?fieldManager=m",
            thing("a", json!({"metadata": {"managedFields": [{"manager": "x"}]}})),
        ),
        apply(THINGS, "a?fieldManager=m", thing("a", json!({"metadata": {"namespace": "other"}}))),
        patch(THINGS, "a?force=true", json!({"spec": {"a": 1}})),
        patch(THINGS, "a", json!({"spec": {"a": 1}})).of_type("application/strategic-merge-patch+json"),
        patch(THINGS, "a", json!({"spec": {"a": 1}})).of_type("application/json"),
        apply(MAPS, "a?fieldManager=m", map(json!({"apiVersion": "v2"}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"kind": "Secret"}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"metadata": {"name": null}}))),
        apply(MAPS, "a?fieldManager=m", map(json!({}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"apiVersion": "v2"}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"kind": "Secret"}))),
        apply(MAPS, "a?fieldManager=m", map(json!({"metadata": {"labels": {"l": 1}}}))),
        apply(THINGS, "a?fieldManager=m", thing("a", json!({"metadata": {"labels": {"l": 1}}}))),
        json_patch(MAPS, "a", json!([{"op": "test", "path": "/data", "value": {}}])),
        json_patch(MAPS, "a", json!([{"op": "nothing"}])),
    ];
    Case { title: "mistakes of applies", steps }
}

fn json_patches() -> Case {
    let steps = vec![
        post(THINGS, a(json!({"a": 1, "words": ["x"]}))),
        json_patch(
            THINGS,
            "a?fieldManager=u",
            json!([{"op": "test", "path": "/spec/a", "value": 1}, {"op": "replace", "path": "/spec/a", "value": 2}]),
        ),
        json_patch(THINGS, "a", json!([{"op": "add", "path": "/spec/words/-", "value": "y"}])),
        json_patch(THINGS, "a", json!([{"op": "remove", "path": "/spec/words"}])),
        json_patch(THINGS, "a", json!([])),
        json_patch(THINGS, "a", json!([{"op": "test", "path": "/spec/a", "value": 1}])),
        json_patch(THINGS, "a", json!([{"op": "remove", "path": "/spec/none"}])),
        json_patch(THINGS, "a", json!([{"op": "replace", "path": "/metadata/name", "value": "b"}])),
        json_patch(THINGS, "a", json!([{"op": "replace", "path": "/kind", "value": "Other"}])),
        json_patch(THINGS, "a/status", json!([{"op": "add", "path": "/status", "value": {"ready": true}}])),
        json_patch(THINGS, "missing", json!([])),
        json_patch(THINGS, "a", json!({"spec": {}})),
        apply(THINGS, "a?fieldManager=m", a(json!({"a": 3}))),
    ];
    Case { title: "JSON patches", steps }
}
