//! Request sequences for both servers.

use super::talk::{Case, Seen, Step};
use http::Method;
use serde_json::{Value, json};

pub const THINGS: &str = "/apis/c.korf.dev/v1/namespaces/NAMESPACE/things";
const PLAINS: &str = "/apis/c.korf.dev/v1/namespaces/NAMESPACE/plains";
pub const MAPS: &str = "/api/v1/namespaces/NAMESPACE/configmaps";

pub fn thing(name: &str, rest: Value) -> Value {
    object("c.korf.dev/v1", "Thing", name, rest)
}

fn object(version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": {}});
    json_patch::merge(&mut object, &rest);
    object
}

pub fn post(path: &'static str, body: Value) -> Step {
    Step::new(Method::POST, move |_| path.into(), move |_| Some(body.clone()))
}

pub fn patch(path: &'static str, name: &'static str, body: Value) -> Step {
    patch_by(path, name, move |_| body.clone())
}

fn patch_by(path: &'static str, name: &'static str, body: impl Fn(Seen<'_>) -> Value + 'static) -> Step {
    Step::new(Method::PATCH, move |_| format!("{path}/{name}"), move |seen| Some(body(seen)))
}

pub fn put(path: &'static str, name: &'static str, body: impl Fn(Seen<'_>) -> Value + 'static) -> Step {
    Step::new(Method::PUT, move |_| format!("{path}/{name}"), move |seen| Some(body(seen)))
}

pub fn get(path: &'static str, rest: &'static str) -> Step {
    Step::new(Method::GET, move |_| format!("{path}{rest}"), |_| None)
}

pub fn delete(path: &'static str, name: &'static str) -> Step {
    Step::new(Method::DELETE, move |_| format!("{path}/{name}"), |_| None)
}

fn delete_if(path: &'static str, name: &'static str, body: impl Fn(Seen<'_>) -> Value + 'static) -> Step {
    Step::new(Method::DELETE, move |_| format!("{path}/{name}"), move |seen| Some(body(seen)))
}

pub fn version(seen: Seen<'_>, step: usize) -> Value {
    seen[step]["metadata"]["resourceVersion"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

pub fn all() -> Vec<Case> {
    let all = [discovery(), creations(), patches(), statuses(), without_subresource(), config_maps()];
    let more = [replacements(), deletions(), guards(), watches(), selections(), pages(), bad_requests()];
    all.into_iter().chain(more).chain(super::applies::all()).collect()
}

fn discovery() -> Case {
    let steps = vec![
        get("/apis/c.korf.dev/v1", ""),
        get("/apis/nobody.example/v1", ""),
        get("/apis/c.korf.dev/v2", ""),
        get("/apis/c.korf.dev/v1/others", ""),
        get("/apis/c.korf.dev/v1/things/a/b/c", ""),
    ];
    Case { title: "discovery", steps }
}

fn creations() -> Case {
    let steps = vec![
        post(
            THINGS,
            thing(
                "a",
                json!({
                    "metadata": {"finalizers": ["x/y"], "annotations": {}, "labels": {"l": "1"}, "nonsense": 1, "generation": 9,
                                 "deletionTimestamp": "2026-01-01T00:00:00Z", "uid": "mine"},
                    "spec": {"a": 1, "unknown": 1}, "status": {"ready": true}, "other": 1,
                }),
            ),
        ),
        get(THINGS, "/a"),
        get(THINGS, "/a/status"),
        post(THINGS, thing("a", json!({}))),
        post(THINGS, thing("", json!({}))),
        post(THINGS, thing("A_b", json!({}))),
        post(THINGS, thing("b", json!({"metadata": {"resourceVersion": "5"}}))),
        post(THINGS, thing("b", json!({"metadata": {"namespace": "another"}}))),
        post(THINGS, thing("b", json!({"metadata": {"annotations": {"n": 1}}}))),
        post(
            THINGS,
            json!({"apiVersion": "c.korf.dev/v1", "kind": "Thing", "metadata": {"generateName": "generated-"},
                            "spec": {}}),
        ),
        get(THINGS, "/b"),
    ];
    Case { title: "creations", steps }
}

fn patches() -> Case {
    let steps = vec![
        post(THINGS, thing("a", json!({"spec": {"a": 1, "text": "t"}}))),
        patch(THINGS, "a", json!({"spec": {"a": 1}})),
        patch(THINGS, "a", json!({"spec": {"a": 2}, "status": {"ready": true}})),
        patch(THINGS, "a", json!({"spec": {"text": null, "unknown": 1}})),
        patch(THINGS, "a", json!({"metadata": {"annotations": {"a": "1", "b": "2"}, "labels": {"l": "1"}}})),
        patch(THINGS, "a", json!({"metadata": {"annotations": {"a": null}, "labels": null}})),
        patch(THINGS, "a", json!({"metadata": {"annotations": {"absent": null}}})),
        patch(
            THINGS,
            "a",
            json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "generation": 77}}),
        ),
        patch(THINGS, "a", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
        patch(THINGS, "a", json!({"metadata": {"name": "z"}})),
        patch(THINGS, "a", json!({"metadata": {"namespace": "z"}})),
        patch(THINGS, "a", json!({"metadata": {"annotations": {"big": "x".repeat(300_000)}}})),
        patch(THINGS, "a", json!({})),
        patch(THINGS, "missing", json!({"spec": {"a": 1}})),
        patch(THINGS, "missing/status", json!({"status": {}})),
    ];
    Case { title: "patches", steps }
}

fn statuses() -> Case {
    let steps = vec![
        post(THINGS, thing("a", json!({"spec": {"a": 1}}))),
        patch(
            THINGS,
            "a/status",
            json!({
                "spec": {"a": 3}, "metadata": {"uid": "other", "annotations": {"n": "1"}, "finalizers": ["x/y"]},
                "status": {"ready": true, "unknown": 1},
            }),
        ),
        patch(THINGS, "a/status", json!({"status": {"ready": true}})),
        patch(THINGS, "a/status", json!({"status": {"unknown": 2}})),
        patch_by(
            THINGS,
            "a/status",
            |seen| json!({"metadata": {"resourceVersion": version(seen, 0)}, "status": {"ready": false}}),
        ),
        patch_by(
            THINGS,
            "a/status",
            |seen| json!({"metadata": {"resourceVersion": version(seen, 1)}, "status": {"ready": false}}),
        ),
        patch(THINGS, "a", json!({"spec": {"a": 4}})),
        patch(THINGS, "a/status", json!({"status": null})),
        put(THINGS, "a/status", |seen| {
            thing("a", json!({"metadata": {"resourceVersion": version(seen, 7)}, "status": {"ready": true}}))
        }),
    ];
    Case { title: "statuses", steps }
}

fn without_subresource() -> Case {
    let steps = vec![
        post(PLAINS, object("c.korf.dev/v1", "Plain", "a", json!({"spec": {"a": 1}, "status": {"x": 1}}))),
        patch(PLAINS, "a", json!({"status": {"x": 2}})),
        patch(PLAINS, "a/status", json!({"status": {"x": 3}})),
        get(PLAINS, "/a/status"),
        patch(PLAINS, "a", json!({"metadata": {"annotations": {"k": "v"}}})),
        delete(PLAINS, "a"),
    ];
    Case { title: "a kind without a status subresource", steps }
}

fn config_maps() -> Case {
    let map = |rest: Value| {
        let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        json_patch::merge(&mut map, &rest);
        map
    };
    let replacement = map(json!({"data": {"k": "3"}}));
    let steps = vec![
        post(MAPS, map(json!({"data": {"k": "1"}}))),
        patch(MAPS, "a", json!({"data": {"k": "2"}, "metadata": {"finalizers": ["x/y"]}})),
        patch(MAPS, "a", json!({"data": {"k": "2"}})),
        delete(MAPS, "a"),
        patch(MAPS, "a", json!({"metadata": {"finalizers": null}})),
        get(MAPS, "/a"),
        post(MAPS, map(json!({}))),
        put(MAPS, "a", move |_| replacement.clone()),
        delete(MAPS, "a"),
        patch(MAPS, "a", json!({"data": {"k": "2"}})),
    ];
    Case { title: "config maps", steps }
}

fn replacements() -> Case {
    let of = |rest: Value| move |_: Seen<'_>| thing("a", rest.clone());
    let steps = vec![
        post(THINGS, thing("a", json!({"spec": {"a": 1}}))),
        put(THINGS, "a", of(json!({"spec": {"a": 2}}))),
        put(THINGS, "a", of(json!({"metadata": {"resourceVersion": "1"}}))),
        put(THINGS, "a", of(json!({"metadata": {"resourceVersion": "x"}}))),
        put(THINGS, "a", of(json!({"metadata": {"resourceVersion": "1", "uid": "other"}}))),
        put(THINGS, "b", of(json!({"metadata": {"resourceVersion": "1"}}))),
        put(THINGS, "missing", |_| thing("missing", json!({"metadata": {"resourceVersion": "1"}}))),
        put(THINGS, "a", |seen| {
            thing(
                "a",
                json!({"metadata": {"resourceVersion": version(seen, 0)}, "spec": {"a": 5}, "status": {"ready": true}}),
            )
        }),
        put(THINGS, "a", |seen| {
            thing("a", json!({"metadata": {"resourceVersion": version(seen, 7)}, "spec": {"a": 5}}))
        }),
    ];
    Case { title: "replacements", steps }
}

fn deletions() -> Case {
    let steps = vec![
        post(THINGS, thing("a", json!({"metadata": {"finalizers": ["x/y", "x/z"]}}))),
        delete(THINGS, "a"),
        delete(THINGS, "a"),
        patch(THINGS, "a", json!({"metadata": {"finalizers": ["x/y", "x/z", "x/new"]}})),
        patch(
            THINGS,
            "a",
            json!({"metadata": {"finalizers": ["x/z"], "annotations": {"k": "v"}}, "spec": {"a": 5}}),
        ),
        patch(THINGS, "a", json!({"metadata": {"deletionTimestamp": null}})),
        patch(THINGS, "a/status", json!({"metadata": {"finalizers": []}, "status": {"ready": true}})),
        post(THINGS, thing("a", json!({}))),
        patch(THINGS, "a", json!({"metadata": {"finalizers": [], "annotations": {"last": "words"}}})),
        get(THINGS, "/a"),
        patch(THINGS, "a", json!({"metadata": {"finalizers": []}})),
        delete(THINGS, "a"),
        Step::new(
            Method::GET,
            |seen| {
                format!("{THINGS}?watch=true&timeoutSeconds=1&resourceVersion={}", text(&version(seen, 0)))
            },
            |_| None,
        ),
        post(THINGS, thing("a", json!({}))),
        delete_if(THINGS, "a", |_| json!({"preconditions": {"uid": "other"}})),
        delete_if(THINGS, "a", |seen| json!({"preconditions": {"uid": seen[13]["metadata"]["uid"]}})),
        get(THINGS, "/a"),
    ];
    Case { title: "deletions", steps }
}

fn guards() -> Case {
    let steps = vec![
        post(THINGS, thing("a", json!({}))),
        patch(THINGS, "a", json!({"metadata": {"uid": "other", "annotations": {"k": "v"}}})),
        patch(THINGS, "a", json!({"metadata": {"resourceVersion": "1", "uid": "other"}})),
        patch(THINGS, "a", json!({"metadata": {"resourceVersion": "x"}})),
        patch_by(THINGS, "a", |seen| {
            json!({"metadata": {"resourceVersion": version(seen, 0), "uid": seen[0]["metadata"]["uid"],
                                "finalizers": ["x/y"]}})
        }),
        patch_by(
            THINGS,
            "a",
            |seen| json!({"metadata": {"resourceVersion": version(seen, 0), "finalizers": []}}),
        ),
        // A stale version is rejected even if the patch changes nothing.
        patch_by(THINGS, "a", |seen| json!({"metadata": {"resourceVersion": version(seen, 0)}})),
        patch_by(THINGS, "a", |seen| json!({"metadata": {"resourceVersion": version(seen, 4)}})),
    ];
    Case { title: "guards", steps }
}

fn watches() -> Case {
    let watch = |query: &'static str| {
        Step::new(Method::GET, move |_| format!("{THINGS}?watch=true&timeoutSeconds=1&{query}"), |_| None)
    };
    let since = |step: usize| {
        let path = move |seen: Seen<'_>| {
            format!("{THINGS}?watch=true&timeoutSeconds=1&resourceVersion={}", text(&version(seen, step)))
        };
        Step::new(Method::GET, path, |_| None)
    };
    let steps = vec![
        post(THINGS, thing("b", json!({}))),
        post(THINGS, thing("a", json!({}))),
        patch(THINGS, "b", json!({"spec": {"a": 1}})),
        watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"),
        watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        watch("sendInitialEvents=true"),
        watch("resourceVersion=0"),
        watch("resourceVersion=1"),
        since(0),
        since(2),
        delete(THINGS, "b"),
        since(1),
    ];
    Case { title: "watches", steps }
}

/// Watches with a selector: an object that no longer matches counts as deleted.
fn selections() -> Case {
    let labelled = |value: Value| json!({"metadata": {"labels": {"app": value}}});
    let watch = |query: &'static str| {
        let path = move |seen: Seen<'_>| {
            format!(
                "{THINGS}?watch=true&timeoutSeconds=1&{query}&resourceVersion={}",
                text(&version(seen, 0))
            )
        };
        Step::new(Method::GET, path, |_| None)
    };
    let steps = vec![
        post(THINGS, thing("a", json!({}))),
        post(THINGS, thing("b", labelled("x".into()))),
        post(THINGS, thing("c", labelled("y".into()))),
        post(THINGS, thing("d", labelled("".into()))),
        get(THINGS, "?labelSelector=app%3Dx"),
        get(THINGS, "?labelSelector=app%21%3Dx&limit=2"),
        get(THINGS, "?labelSelector=app"),
        get(THINGS, "?labelSelector=%21app"),
        get(THINGS, "?labelSelector=app%3D"),
        get(THINGS, "?labelSelector=app+in+%28x%2Cy%29%2Capp%21%3Dx"),
        patch(THINGS, "b", labelled("y".into())),
        patch(THINGS, "b", json!({"spec": {"a": 1}})),
        patch(THINGS, "b", labelled("x".into())),
        patch(THINGS, "b", json!({"spec": {"a": 2}})),
        delete(THINGS, "b"),
        watch("labelSelector=app%3Dx"),
        watch("labelSelector=%21app"),
    ];
    Case { title: "selections", steps }
}

fn pages() -> Case {
    let next = |step: usize| {
        let path = move |seen: Seen<'_>| {
            format!("{THINGS}?limit=2&continue={}", text(&seen[step]["metadata"]["continue"]))
        };
        Step::new(Method::GET, path, |_| None)
    };
    let create = |name: &str| post(THINGS, thing(name, json!({})));
    let steps = vec![
        create("d"),
        create("b"),
        create("a"),
        create("c"),
        create("e"),
        get(THINGS, ""),
        get(THINGS, "?limit=2"),
        // All pages of a list have the same version, despite changes between them.
        delete(THINGS, "c"),
        create("bb"),
        patch(THINGS, "d", json!({"spec": {"a": 1}})),
        next(6),
        next(10),
        get(THINGS, "?limit=2&continue=nonsense"),
        get(THINGS, "?limit=50"),
    ];
    Case { title: "pages", steps }
}

fn bad_requests() -> Case {
    let steps = vec![
        post(THINGS, thing("a", json!({}))),
        patch(THINGS, "a", json!({"kind": "Other"})),
        patch(THINGS, "a", json!({"apiVersion": "c.korf.dev/v7"})),
        patch(THINGS, "a", json!([1])),
        post(THINGS, json!({"apiVersion": "c.korf.dev/v1", "kind": "Other", "metadata": {"name": "b"}})),
        post(THINGS, json!({"apiVersion": "other/v1", "kind": "Thing", "metadata": {"name": "b"}})),
        get(THINGS, "?watch=true&timeoutSeconds=1&resourceVersion=x"),
        delete(THINGS, "missing"),
        delete(THINGS, "a/status"),
    ];
    Case { title: "bad requests", steps }
}
