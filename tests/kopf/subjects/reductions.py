"""Arguments of a field handler: the field's values, and the diff at and below it."""
import random
from collections.abc import Iterator
from typing import Any

from kopf._cogs.structs import dicts, diffs

from subjects import Answer, Given, case, items
from subjects.arbitrary import KEYS
from subjects.diffs import pair
from subjects.equality import RULES, restored

COUNT = 800
CREATED = {"spec": {"x": 1, "y": {"z": None, "n": [1]}}}
KNOWN = [
    (None, CREATED, ["spec"]), (None, CREATED, ["spec", "y"]), (None, CREATED, ["spec", "y", "z"]),
    (None, CREATED, ["spec", "none"]), (None, CREATED, []), (CREATED, None, ["spec", "y"]),
    ({"spec": {"x": 1}}, {"spec": {"x": 2}}, ["spec", "x", "deeper"]),
    ({"spec": {"x": 1}}, {"spec": {"x": 2}}, ["spec", "x"]),
    ({"spec": {"x": {"d": 1}}}, {"spec": {"x": 2}}, ["spec", "x", "d"]),
    ({"spec": [1]}, {"spec": {"0": 1}}, ["spec", "0"]),
    ({"spec": {"xy": 1}}, {"spec": {"xy": 2}}, ["spec", "x"]), ({"spec": None}, {"spec": {"x": True}}, ["spec", "x"]),
    ({"spec": "text"}, {"spec": {"x": {"y": False}}}, ["spec", "x", "y"]),
    ({"spec": [{"x": 1}]}, {"spec": {"x": True}}, ["spec", "x"]),
    ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": True}}}, ["a", "b"]),
]


def ask(given: Given) -> Answer:
    """Does what `ResourceHandler.adjust_cause` does."""
    old, new, path = given["old"], given["new"], tuple(given["path"])
    return restored({
        "old": dicts.resolve(old, path, None),
        "new": dicts.resolve(new, path, None),
        "diff": items(diffs.reduce(diffs.diff(old, new), path)),
    })


def path_of(rng: random.Random, *roots: Any) -> list[str]:
    """A path to a random field, and sometimes one step beyond or beside it."""
    path: list[str] = []
    place = rng.choice(roots)
    while isinstance(place, dict) and place and rng.random() < 0.8:
        path.append(rng.choice(sorted(place)))
        place = place[path[-1]]
    if not path or rng.random() < 0.2:
        path.append(rng.choice(KEYS))
    return path


def cases(rng: random.Random) -> Iterator[dict[str, Any]]:
    for old, new, path in KNOWN:
        yield case({"old": old, "new": new, "path": path}, ask, RULES)
    for _ in range(COUNT - len(KNOWN)):
        old, new = pair(rng)
        yield case({"old": old, "new": new, "path": path_of(rng, old, new)}, ask, RULES)
