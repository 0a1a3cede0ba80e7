"""Essences: the parts of objects that belong to users."""
import base64
import copy
import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

from kopf._cogs.configs.diffbase import AnnotationsDiffBaseStorage
from kopf._cogs.configs.progress import AnnotationsProgressStorage, SmartProgressStorage
from kopf._cogs.structs import bodies, dicts

from subjects import Answer, Given, Rule, case
from subjects.arbitrary import mapping, scalar, text

COUNT = 800
KOPF = "kopf.zalando.org"
KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"
FINALIZERS = {None: f"{KOPF}/KopfFinalizerMarker", "my-op": "my-op.korf.dev/finalizer"}
SYSTEM = ("managedFields", "resourceVersion", "generation")
LEFTOVERS = ("dummy", "last-handled-configuration")


def prefix_of(operator: str | None) -> str:
    return f"{operator}.korf.dev" if operator else KOPF


def ask(given: Given) -> Answer:
    """Does what `process_resource_causes` does: one storage builds the essence, and the other one clears it."""
    body, extra, operator = bodies.Body(given["body"]), given["extra"], given["operator"]
    prefix = prefix_of(operator)
    progress = AnnotationsProgressStorage(prefix=prefix) if operator else SmartProgressStorage()
    essence = AnnotationsDiffBaseStorage(prefix=prefix).build(body=body, extra_fields=extra)
    return progress.clear(essence=essence)


def is_technical(key: str, annotations: dict[str, Any], operator: str | None) -> bool:
    prefix, slash, _ = key.partition("/")
    ours = prefix == prefix_of(operator) or prefix == KOPF or prefix.endswith(f".{KOPF}")
    return key == KUBECTL or bool(slash) and (ours or f"{prefix}/kopf-managed" in annotations)


def without_technical(annotations: dict[str, Any], body: Any, operator: str | None) -> dict[str, Any]:
    found = body.get("metadata", {}).get("annotations") or {}
    return {key: value for key, value in annotations.items() if not is_technical(key, found, operator)}


def fitting(given: Given) -> Given:
    """The input without what makes Kopf raise: null as annotations, and fields below something that isn't a mapping."""
    body = copy.deepcopy(given["body"])
    if body.get("metadata", {}).get("annotations", {}) is None:
        del body["metadata"]["annotations"]
    absent = object()
    extra = [field for field in given["extra"] if dicts.resolve(body, field, absent) is not absent]
    return given | {"body": body, "extra": extra}


def without_nulls(given: Given) -> Given:
    extra = [field for field in given["extra"] if dicts.resolve(given["body"], field, None) is not None]
    return given | {"extra": extra}


def without_put_back(given: Given) -> Given:
    body = copy.deepcopy(given["body"])
    if "annotations" in body.get("metadata", {}):
        annotations = body["metadata"]["annotations"]
        body["metadata"]["annotations"] = without_technical(annotations, body, given["operator"])
    extra = [field for field in given["extra"] if dicts.resolve(body, field, None) is not None]
    return given | {"body": body, "extra": extra}


def without_system(given: Given) -> Given:
    body = copy.deepcopy(given["body"])
    metadata = body.get("metadata", {})
    for key in SYSTEM:
        metadata.pop(key, None)
    if "finalizers" in metadata:
        own = FINALIZERS[given["operator"]]
        metadata["finalizers"] = [finalizer for finalizer in metadata["finalizers"] if finalizer != own]
    if not metadata.get("finalizers", True):
        del metadata["finalizers"]
    return without_nulls(given | {"body": body})


def without_leftovers(given: Given) -> Given:
    body = copy.deepcopy(given["body"])
    kept = dicts.resolve(body, ["status", "kopf"], None)
    if given["operator"] is None and isinstance(kept, dict):
        for key in LEFTOVERS:
            kept.pop(key, None)
    return without_nulls(given | {"body": body})


def concealed(body: dict[str, Any], contents: dict[str, Any]) -> dict[str, Any]:
    """Replaces a Secret's data by digests of the uid, the field, the key and the value, each with its length."""
    if (body.get("apiVersion"), body.get("kind")) != ("v1", "Secret"):
        return contents
    contents = copy.deepcopy(contents)
    for field in ("data", "stringData"):
        for key, value in contents.get(field, {}).items():
            parts = [body.get("metadata", {}).get("uid", ""), field, key, value]
            parts = [part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts]
            digest = hashlib.blake2b(digest_size=16)
            for part in map(str.encode, parts):
                digest.update(len(part).to_bytes(8, "little") + part)
            text = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
            contents[field][key] = f"blake2b:{text}"
    return contents


RULES = (
    Rule("unfit-objects", given=fitting),
    Rule("null-fields", given=without_nulls),
    Rule("put-back-annotations", given=without_put_back),
    Rule("system-metadata", given=without_system),
    Rule("status-leftovers", given=without_leftovers),
    Rule("secrets", given=lambda given: given | {"body": concealed(given["body"], given["body"])}),
)
ANNOTATIONS = [
    "a", "kopf-managed", "example.com/a", KUBECTL, f"{KOPF}/fn", f"{KOPF}/last-handled-configuration", KOPF,
    f"sub.{KOPF}/y", f"not{KOPF}/z", "my-op.korf.dev/fn", "my-op.korf.dev/last-handled-configuration",
    "my-op.korf.dev/kopf-managed", "my-op.korf.dev.x/a", "other.dev/kopf-managed", "other.dev/fn", "other.dev/a/b",
    "other.dev/last-handled-configuration-ofDRS", "sub.other.dev/a", "/kopf-managed", "/a", "no.dev/kopf-managed-x",
    "é/a",
]
FIELDS = [
    ["status"], ["status", "x"], ["status", "y", "z"], ["status", "none"], ["status", "kopf"], ["spec", "x"],
    ["none", "x"],
    ["metadata", "name"], ["metadata", "finalizers"], ["metadata", "labels"], ["metadata", "annotations"], ["metadata"],
    ["metadata", "annotations", "other.dev/fn"], ["metadata", "annotations", KUBECTL], ["metadata", "resourceVersion"],
    ["kind"], ["metadata", "annotations", "a"], ["metadata", "ownerReferences"],
]


def metadata(rng: random.Random) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": "n", "namespace": "ns", "uid": text(rng, 4, "0123456789abcdef")}
    some = rng.sample(ANNOTATIONS, rng.randrange(8))
    optional = {
        "annotations": {key: text(rng, 4) for key in some} if rng.random() < 0.97 else None,
        "labels": {rng.choice("ab/"): text(rng, 3, "xyz") for _ in range(rng.randrange(3))},
        "finalizers": rng.sample([*FINALIZERS.values(), "x/f"], rng.randrange(4)),
        "resourceVersion": str(rng.randrange(1000)), "generation": rng.randrange(9),
        "creationTimestamp": "2026-11-22T14:53:30Z",
        "managedFields": [{"manager": "m"}],
        "ownerReferences": [{"kind": rng.choice(["Deployment", "X"]), "name": "o"}],
    }
    return meta | {key: value for key, value in optional.items() if rng.random() < 0.6}


def body(rng: random.Random) -> dict[str, Any]:
    secret = rng.random() < 0.08
    version = "v1" if secret else "x.dev/v1"
    kind = rng.choice(["Secret", "Secret", "ConfigMap"] if secret else ["X", "Secret", "ReplicaSet"])
    kept = rng.sample(["progress", *LEFTOVERS, "other"], rng.randrange(4))
    kopf = {key: rng.choice(["x", {}, {"fn": {"retries": 1}}]) for key in kept}
    fields = {"x": scalar(rng), "y": rng.choice([{"z": scalar(rng)}, {"z": 1, "w": 2}, {}, "text"]), "kopf": kopf}
    status = {key: value for key, value in fields.items() if rng.random() < 0.6}
    optional = {
        "metadata": metadata(rng), "spec": rng.choice([mapping(rng, 2), {"x": 1}, {}, None, "text"]), "status": status,
        "data": {text(rng, 3, "abc"): text(rng, 8) for _ in range(2)}, "stringData": {"k": "v"}, "type": "Opaque",
        "webhooks": [1, None],
    }
    likely = {"metadata": 0.97, "spec": 0.8, "status": 0.7}
    other = 0.5 if secret else 0.1
    fields = {key: value for key, value in optional.items() if rng.random() < likely.get(key, other)}
    return {"apiVersion": version, "kind": kind, **fields}


KNOWN: list[tuple[dict[str, Any], list[list[str]]]] = [
    ({}, []), ({"spec": None}, []), ({"metadata": {"labels": {}, "annotations": {}}, "spec": {}}, []),
    ({"status": {"x": None}}, [["status", "x"]]), ({"status": {"x": {"y": None}}}, [["status", "x", "y"]]),
    ({"status": None}, [["status"]]), ({"status": {}}, [["status"]]),
    ({"status": "text"}, [["status", "x"]]), ({"status": [1]}, [["status", "0"]]),
    ({"status": {"kopf": {}}}, [["status"]]),
    ({"status": {"kopf": {"progress": {}}}}, [["status", "kopf"]]),
    ({"status": {"x": 1}}, [["status"], ["status", "x"]]),
    ({"metadata": {"annotations": None}}, []),
    ({"metadata": {"annotations": {KUBECTL: "x"}}}, [["metadata", "annotations"]]),
    ({"metadata": {"labels": None}}, []),
    ({"metadata": {"annotations": {f"{KOPF}/fn": "x"}}}, [["metadata", "annotations", f"{KOPF}/fn"]]),
    ({"metadata": {"annotations": {"other.dev/kopf-managed": "yes", "other.dev/x": "x"}}},
     [["metadata", "annotations", "other.dev/x"]]),
]


def cases(rng: random.Random) -> Iterator[dict[str, Any]]:
    for known, extra in KNOWN:
        for operator in FINALIZERS:
            yield case({"operator": operator, "extra": extra, "body": known}, ask, RULES)
    for _ in range(COUNT - 2 * len(KNOWN)):
        extra = rng.sample(FIELDS, rng.choice([0, 0, 0, 1, 1, 2, 3]))
        yield case({"operator": rng.choice(list(FINALIZERS)), "extra": extra, "body": body(rng)}, ask, RULES)
