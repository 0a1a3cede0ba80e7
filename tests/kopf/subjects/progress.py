"""Progress of handlers: as text, after several attempts, as read from objects, and in patches of objects."""
import copy
import functools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from kopf._cogs.configs.progress import AnnotationsProgressStorage, SmartProgressStorage
from kopf._cogs.structs import bodies, patches
from kopf._core.actions import execution, progression

from subjects import Answer, Given, Rule, case
from subjects.arbitrary import text
from subjects.essences import prefix_of
from subjects.frozen import at, micros, moment

NOW = 1_795_359_210_883_823
PURPOSES = ["create", "update", "delete", "resume"]
MESSAGE_LIMIT = 1024
TIMES = ("started", "stopped", "delayed")
HandlerState = progression.HandlerState


def storage_of(operator: str | None) -> Any:
    # At locations of its own, korf uses only the newer keys, and stores nothing in the status.
    return AnnotationsProgressStorage(prefix=prefix_of(operator), v1=False) if operator else SmartProgressStorage()


def handler(name: str, **options: Any) -> execution.Handler:
    defaults = dict(fn=lambda **_: None, param=None, errors=None, timeout=None, retries=None, backoff=None)
    return execution.Handler(id=name, **(defaults | options))


def stored_text(state: HandlerState) -> str:
    patch = patches.Patch()
    AnnotationsProgressStorage().store(key="fn", record=state.for_storage(), body=bodies.Body({}), patch=patch)
    return patch["metadata"]["annotations"]["kopf.zalando.org/fn"]


def state_of(record: dict[str, Any], now: int = NOW) -> HandlerState:
    times = {name: None if record.get(name) is None else moment(record[name]) for name in TIMES}
    return HandlerState(active=True, basetime=moment(now), **(record | times))


def fields_of(state: HandlerState) -> dict[str, Any]:
    names = ("purpose", "retries", "success", "failure", "message")
    times = {name: micros(getattr(state, name)) for name in TIMES}
    return times | {name: getattr(state, name) for name in names} | {"subrefs": sorted(state.subrefs)}


# A record as text, and the text as a record.

def ask_text(given: Given) -> Answer:
    state = state_of(given["record"])
    written = stored_text(state)
    read = at(NOW, lambda: HandlerState.from_storage(json.loads(written), basetime=moment(NOW)))
    assert fields_of(read) == fields_of(state), "Kopf reads what it wrote"
    return written


def a_time(rng: random.Random) -> int:
    years = (-62_135_596_800, 253_402_214_400)
    seconds = rng.randrange(*years) if rng.random() < 0.3 else NOW // 1_000_000 + rng.randrange(-10**6, 10**6)
    return seconds * 1_000_000 + rng.choice([0, 1, 999_999, 500_000, rng.randrange(1_000_000)])


def a_message(rng: random.Random) -> str | None:
    return rng.choice([None, None, "", "no route", text(rng, 60), text(rng, 10)])


def a_record(rng: random.Random, purposes: list[str | None] = PURPOSES + [None]) -> dict[str, Any]:
    success = rng.random() < 0.3
    failure = not success and rng.random() < 0.3
    optional = {name: a_time(rng) if rng.random() < 0.4 else None for name in ("stopped", "delayed")}
    subrefs = sorted({f"fn/{text(rng, 6)}" for _ in range(rng.choice([0, 0, 1, 3]))})
    return {
        "started": a_time(rng), **optional, "purpose": rng.choice(purposes),
        "retries": rng.choice([0, 1, 2, 17, 2**32 - 1]),
        "success": success, "failure": failure, "message": a_message(rng), "subrefs": subrefs,
    }


# A series of attempts.

def ask_attempts(given: Given) -> Answer:
    state = at(given["now"], lambda: HandlerState.from_scratch(basetime=moment(given["now"]), purpose=given["purpose"]))
    texts = [stored_text(state)]
    for attempt in given["attempts"]:
        error = None if attempt["error"] is None else Exception(attempt["error"])
        delay = None if attempt["delay"] is None else attempt["delay"] / 1000
        outcome = execution.Outcome(final=attempt["final"], delay=delay, exception=error, subrefs=attempt["subrefs"])
        state = HandlerState(**(vars(state) | {"basetime": moment(attempt["now"])}))
        state = at(attempt["now"], functools.partial(state.with_outcome, outcome))
        texts.append(stored_text(state))
    return texts


def shortened(given: Given) -> Given:
    attempts = [attempt | {"error": cut(attempt["error"])} for attempt in given["attempts"]]
    return given | {"attempts": attempts}


def cut(message: str | None) -> str | None:
    if message is None or len(message.encode()) <= MESSAGE_LIMIT:
        return message
    return message.encode()[:MESSAGE_LIMIT - len("…".encode())].decode(errors="ignore") + "…"


def attempts(rng: random.Random) -> Given:
    now, made = a_time(rng), []
    start = now
    for _ in range(rng.randrange(1, 5)):
        # Python's last year is 9999.
        now = min(now + rng.randrange(100_000_000), 253_402_214_400_000_000)
        final = rng.random() < 0.4
        long = rng.choice(["x", "é", "日", "😀"]) * rng.randrange(200, 1100) if rng.random() < 0.05 else None
        error = None if final and rng.random() < 0.5 else long or a_message(rng) or "x"
        delay = None if final or rng.random() < 0.1 else rng.choice([0, 1, 250, 60_000, rng.randrange(10**6)])
        subrefs = [f"fn/{text(rng, 3)}" for _ in range(rng.choice([0, 0, 0, 2]))]
        made.append({"now": now, "final": final, "error": error, "delay": delay, "subrefs": subrefs})
    return {"now": start, "purpose": rng.choice(PURPOSES), "attempts": made}


# A record as read from an object.

def ask_read(given: Given) -> Answer:
    """A record that Kopf can use: it can tell its age, and add an attempt to it."""
    content = storage_of(None).fetch(key=given["id"], body=bodies.Body(given["body"]))
    if content is None:
        return None

    def read() -> HandlerState:
        state = HandlerState.from_storage(content, basetime=moment(given["now"]))
        state.runtime, state.awakened, state.with_outcome(execution.Outcome(final=True)).for_storage()
        return state
    return fields_of(at(given["now"], read))


def changed_texts(given: Given, change: Callable[[str], str | None]) -> Given:
    body = copy.deepcopy(given["body"])
    annotations = {key: change(value) for key, value in body["metadata"]["annotations"].items()}
    body["metadata"]["annotations"] = {key: value for key, value in annotations.items() if value is not None}
    return given | {"body": body}


def with_offsets(value: str) -> str:
    """The times of older Kopfs, in UTC."""
    try:
        record = json.loads(value)
        rest = {10: "T00:00+00:00", 19: "+00:00", 26: "+00:00"}
        found = {name: record.get(name) or "" for name in TIMES}
        naive = {name: text + rest[len(text)] for name, text in found.items() if len(text) in rest}
        return json.dumps(record | naive)
    except (AttributeError, TypeError, ValueError):
        return value


def readable(given: Given) -> Given:
    def kept(value: str) -> str | None:
        alone = {"metadata": {"annotations": {"kopf.zalando.org/x": value}}}
        try:
            ask_read(given | {"id": "x", "body": alone})
        except Exception:
            return None
        return value
    return changed_texts(given, kept)


OLD = {"started": "2020-02-14T16:58:25.396364", "retries": 1, "delayed": "2020-02-14T16:59:25.396364"}
WHEN = "2026-11-22T14:53:30.883823"
CONTENTS = [
    "{}", "null", '{"started":null,"retries":null,"success":null,"subrefs":null,"message":null,"purpose":null}',
    '{"purpose":""}',
    '{"purpose":"another","new":1}', '{"purpose":"resume"}', "{", "", "[1]", '"x"', '{"started":1}',
    '{"started":"yesterday"}',
    '{"started":"2026-11-22"}', '{"started":"2026-13-01T00:00:00Z"}', '{"retries":"3"}', '{"subrefs":3}',
    '{"subrefs":["fn/b","fn/a"]}',
    json.dumps(OLD),
    *(json.dumps({"started": WHEN + zone}) for zone in ("", "Z", "+00:00", "-00:00", "+02:00", "-05:30", "+0200")),
    *(json.dumps({"started": f"2026-11-22{between}14:53:30{rest}Z"})
      for between in "T " for rest in ("", ".5", ".883823", ".8838239")),
    '{"started": "2026-11-22T14:53:30+00:00",\n "retries": 2}', '{"message":"\\ud83d\\ude00 é"}', '{"refused":null}',
]


def read(rng: random.Random) -> Given:
    name = rng.choice(["fn", "parent/sub", "x" * 47, "x" * 70])
    keys = list(AnnotationsProgressStorage().make_keys(name, body=bodies.Body({})))
    annotations = {key: content(rng) for key in keys if rng.random() < 0.7}
    body: dict[str, Any] = {"metadata": {"annotations": annotations}}
    if rng.random() < 0.3:
        record = {"retries": 7, "started": WHEN + "Z"}
        body["status"] = {"kopf": {"progress": {rng.choice([name, "other"]): record}}}
    return {"now": NOW, "id": name, "body": body}


def content(rng: random.Random) -> str:
    return rng.choice(CONTENTS) if rng.random() < 0.6 else stored_text(state_of(a_record(rng)))


# The patch of an object.

def ask_patch(given: Given) -> Answer:
    """Does what `process_changing_cause` and `apply` do: stores, purges if all is done, and removes the touch."""
    body, patch, storage = bodies.Body(given["body"]), patches.Patch(), storage_of(given["operator"])
    owned = [handler(name) for name in given["ids"]]

    def run() -> None:
        state = progression.State.from_storage(body=body, storage=storage, handlers=owned)
        state = state.with_purpose(given["purpose"]).with_handlers(owned)
        outcomes = {name: outcome_of(given["outcomes"][name]) for name in given["ids"] if state[name].awakened}
        state = state.with_outcomes(outcomes)
        state.store(body=body, patch=patch, storage=storage)
        if state.done:
            state.purge(body=body, patch=patch, storage=storage, handlers=owned)
        if patch:
            storage.touch(body=body, patch=patch, value=None)

    at(given["now"], run)
    plain = json.loads(json.dumps(patch, sort_keys=True))
    return {"annotations": plain.get("metadata", {}).get("annotations", {}), "status": plain.get("status")}


def outcome_of(outcome: dict[str, Any]) -> execution.Outcome:
    error = None if outcome["error"] is None else Exception(outcome["error"])
    delay = None if outcome["delay"] is None else outcome["delay"] / 1000
    return execution.Outcome(final=outcome["final"], exception=error, delay=delay)


def without_lone_marker(answer: Answer, given: Given) -> Answer:
    written = {key for key, value in answer["annotations"].items() if value is not None}
    lone = written == {f"{prefix_of(given['operator'])}/kopf-managed"}
    annotations = {key: value for key, value in answer["annotations"].items() if not lone or key not in written}
    return answer | {"annotations": annotations}


def without_lone_touch(answer: Answer, given: Given) -> Answer:
    lone = answer["annotations"] == {f"{prefix_of(given['operator'])}/touch-dummy": None}
    return answer | ({"annotations": {}} if lone else {})


def patch(rng: random.Random) -> Given:
    operator, purpose = rng.choice([None, "my-op"]), rng.choice(PURPOSES[:3])
    prefix, stored, storage = prefix_of(operator), patches.Patch(), storage_of(operator)
    ids = rng.sample(["fn", "gn", "parent/sub", "fn.<locals>.x", "x" * 50, "y" * 70], rng.randrange(1, 4))
    subs = [f"{ids[0]}/s1", f"{ids[0]}/s2"]
    progress: dict[str, Any] = {}
    for name in ids + subs[:1]:
        record = a_record(rng, [purpose, purpose, None]) | {"retries": 3, "subrefs": rng.choice([[], [], subs])}
        if rng.random() < 0.5:
            storage.store(key=name, record=state_of(record).for_storage(), body=bodies.Body({}), patch=stored)
        elif rng.random() < 0.3:
            progress[name] = state_of(record).as_in_storage()
    annotations = json.loads(json.dumps(stored)).get("metadata", {}).get("annotations", {})
    extra = {"a": "1", f"{prefix}/touch-dummy": "2026-11-22T14:53:30", f"{prefix}/kopf-managed": "yes"}
    annotations |= {key: value for key, value in extra.items() if rng.random() < 0.3}
    dropped = [key for key in annotations if rng.random() < 0.05]
    annotations = {key: value for key, value in annotations.items() if key not in dropped}
    outcomes = {}
    for name in ids:
        final = rng.random() < 0.7
        error = None if final and rng.random() < 0.7 else rng.choice(["no route", "é \"x\""])
        outcomes[name] = {"final": final, "error": error, "delay": None if final else rng.choice([0, 500, 60_000])}
    body: dict[str, Any] = {"kind": "X", "metadata": {"annotations": annotations}}
    if progress:
        body["status"] = {"kopf": {"progress": progress}}
    return {"now": NOW, "operator": operator, "purpose": purpose, "ids": ids, "outcomes": outcomes, "body": body}


def of_known_purpose(answer: Answer, _: Given) -> Answer:
    known = answer is None or answer["purpose"] in PURPOSES
    return answer if known else answer | {"purpose": None}


READ_RULES = (
    Rule("naive-times", given=lambda given: changed_texts(given, with_offsets)),
    Rule("unreadable-progress", given=readable),
    Rule("unknown-purposes", answer=of_known_purpose),
)
PATCH_RULES = (
    Rule("lone-markers", answer=without_lone_marker),
    Rule("lone-touches", answer=without_lone_touch),
)


def cases(rng: random.Random) -> Iterator[dict[str, Any]]:
    for _ in range(250):
        yield {"of": "text"} | case({"record": a_record(rng)}, ask_text)
    for _ in range(200):
        yield {"of": "attempts"} | case(attempts(rng), ask_attempts, [Rule("long-messages", given=shortened)])
    annotations = [{"kopf.zalando.org/fn": content} for content in CONTENTS]
    alone = [{"now": NOW, "id": "fn", "body": {"metadata": {"annotations": each}}} for each in annotations]
    for given in alone + [read(rng) for _ in range(200 - len(alone))]:
        yield {"of": "read"} | case(given, ask_read, READ_RULES)
    for _ in range(250):
        yield {"of": "patch"} | case(patch(rng), ask_patch, PATCH_RULES)
