"""The cause of an event, as `process_resource_causes` determines it from what is stored on the object."""
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from kopf._cogs.configs.diffbase import AnnotationsDiffBaseStorage, MultiDiffBaseStorage, StatusDiffBaseStorage
from kopf._cogs.configs.progress import SmartProgressStorage
from kopf._cogs.structs import bodies, diffs
from kopf._core.intents import causes

from subjects import Answer, Given, Rule, case, items
from subjects.arbitrary import changed, mapping, replaced
from subjects.equality import as_boolean, restored
from subjects.essences import FINALIZERS, KOPF, concealed, without_technical
from subjects.progress import a_record, state_of, storage_of

COUNT = 500
FINALIZER = FINALIZERS[None]
BASE = f"{KOPF}/last-handled-configuration"
IDS = ["fn", "gn"]


def storage() -> Any:
    """Both locations of a diff-base. Without one in the status, this does the same as Kopf's default storage."""
    return MultiDiffBaseStorage([AnnotationsDiffBaseStorage(), StatusDiffBaseStorage()])


def ask(given: Given) -> Answer:
    body, progress = bodies.Body(given["body"]), SmartProgressStorage()
    old, new = storage().fetch(body=body), storage().build(body=body)
    old = None if old is None else progress.clear(essence=old)
    new = progress.clear(essence=new)
    equal = given.get("as", lambda value: value)
    diff = diffs.diff(replaced(old, equal), replaced(new, equal))
    unused = dict.fromkeys(("resource", "indices", "logger", "patch", "memo"))
    cause = causes.detect_changing_cause(
        finalizer=FINALIZER, raw_event={"type": given["type"], "object": given["body"]}, body=body,
        old=old, new=new, diff=diff, initial=given["initial"], **unused)
    return {"reason": cause.reason.value, "diff": restored(items(diff))}


def changed_bases(given: Given, change: Callable[[Any], Any]) -> Given:
    """The input with changed diff-bases. Where `change` returns None, the diff-base is removed."""
    body = copy.deepcopy(given["body"])
    annotated, in_status = body.get("metadata", {}).get("annotations"), body.get("status", {}).get("kopf")
    for holder, key in (annotated, BASE), (in_status, "last-handled-configuration"):
        if holder and key in holder:
            changed_base = change(holder[key])
            holder.pop(key) if changed_base is None else holder.update({key: changed_base})
    return given | {"body": body}


def readable(text: str) -> str | None:
    try:
        return text if isinstance(json.loads(text), dict | None) else None
    except ValueError:
        return None


def of_mapping(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[str], str]:
    def of_text(text: str) -> str:
        base = json.loads(text)
        return json.dumps(change(base) if base else base)
    return of_text


def cleaned(given: Given) -> Given:
    """The input with diff-bases that are cleaned in the same way as the current essence."""
    def clean(base: dict[str, Any]) -> dict[str, Any]:
        metadata = base.get("metadata", {})
        if "annotations" in metadata:
            metadata["annotations"] = without_technical(metadata["annotations"], given["body"], None)
        kept = {key: value for key, value in metadata.items() if value}
        rest = {key: value for key, value in base.items() if key != "metadata"}
        return rest | ({"metadata": kept} if kept else {})
    return changed_bases(given, of_mapping(clean))


def secretive(given: Given) -> Given:
    body = given["body"]
    hidden = changed_bases(given, of_mapping(lambda base: concealed(body, base)))
    return hidden | {"body": concealed(body, hidden["body"])}


def begun(answer: Answer, given: Given) -> Answer:
    """An update that was reverted while it was handled. In korf, its handlers run once more."""
    records = [storage_of(None).fetch(key=name, body=bodies.Body(given["body"])) for name in IDS]
    has_begun = any(record is not None and record.get("purpose") in (None, "update") for record in records)
    return answer | {"reason": "update"} if has_begun and answer["reason"] in ("noop", "resume") else answer


RULES = (
    Rule("unreadable-diff-base", given=lambda given: changed_bases(given, readable)),
    Rule("cleaned-diff-base", given=cleaned),
    Rule("secrets", given=secretive),
    Rule("booleans", given=lambda given: given | {"as": as_boolean}),
    Rule("reverted", answer=begun),
)


def diff_base(rng: random.Random, body: dict[str, Any]) -> str:
    if rng.random() < 0.04:
        return rng.choice(["{", "", "[]", "5", "null\n"])
    essence = storage().build(body=bodies.Body(body))
    if rng.random() < 0.5 and "spec" in essence:
        essence["spec"] = changed(rng, essence["spec"])
    if rng.random() < 0.2:
        essence.setdefault("metadata", {}).setdefault("annotations", {})["other.dev/fn"] = "{}"
    return json.dumps(essence, separators=(",", ":")) + "\n"


def a_body(rng: random.Random) -> dict[str, Any]:
    spec = rng.choice([mapping(rng, 1), {"x": rng.choice([1, True, "1", None, 0, False])}])
    body: dict[str, Any] = {"apiVersion": "x.dev/v1", "kind": "X", "metadata": {"name": "n", "uid": "u"}, "spec": spec}
    if rng.random() < 0.05:
        body |= {"apiVersion": "v1", "kind": "Secret", "data": {"a": "YQ=="}, "spec": {}}
    metadata = body["metadata"]
    if rng.random() < 0.4:
        metadata["deletionTimestamp"] = "2026-11-22T14:53:30Z" if rng.random() < 0.9 else None
    if rng.random() < 0.6:
        metadata["finalizers"] = rng.sample([FINALIZER, "x/f", f"{FINALIZER}x"], rng.randrange(4))
    if rng.random() < 0.3:
        metadata["labels"] = {"l": rng.choice(["1", "2"])}
    metadata["annotations"] = annotations(rng)
    if rng.random() < 0.75:
        metadata["annotations"][BASE] = diff_base(rng, body)
    if rng.random() < 0.1:
        body["status"] = {"kopf": {"last-handled-configuration": diff_base(rng, body)}}
    if not metadata["annotations"]:
        del metadata["annotations"]
    return body


def annotations(rng: random.Random) -> dict[str, str]:
    known = {"a": "1", "other.dev/kopf-managed": "yes", "other.dev/fn": "{}", f"{KOPF}/korf-x": "x"}
    for name in IDS:
        record = state_of(a_record(rng)).as_in_storage()
        known[f"{KOPF}/{name}"] = json.dumps(record, separators=(",", ":"))
    return {key: value for key, value in known.items() if rng.random() < 0.2}


def cases(rng: random.Random) -> Iterator[dict[str, Any]]:
    for _ in range(COUNT):
        event = rng.choice(["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", None, "DELETED"])
        yield case({"type": event, "initial": rng.random() < 0.4, "body": a_body(rng)}, ask, RULES)
