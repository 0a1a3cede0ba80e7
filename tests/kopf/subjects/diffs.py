"""Diffs of two values."""
import random
from collections.abc import Iterator
from typing import Any

from kopf._cogs.structs import diffs

from subjects import Answer, Given, case, items
from subjects.arbitrary import LARGE, NUMBERS, changed, mapping, value
from subjects.equality import RULES, restored

COUNT = 1700
KNOWN = [
    (None, None), ({}, {}), (None, {}), ({}, None), (None, {"spec": {"x": 1}}), ({"spec": {"x": 1}}, None),
    ({"a": None}, {}), ({}, {"a": None}), ({"a": {"b": None}}, {"a": {}}), ({}, {"a": {"b": None}}),
    ({"a": {}}, {}), ({"a": {}}, {"a": None}), ({"a": {}}, {"a": []}), ({"a": [1, 2]}, {"a": [2, 1]}),
    ({"a": [None]}, {"a": []}), ({"a": [{"x": None}]}, {"a": [{}]}), ({"a": [1]}, {"a": [1.0]}),
    ({"a": True}, {"a": 1}), ({"a": False}, {"a": 0.0}), ({"a": [True]}, {"a": [1]}),
    ({"a": [{"b": 0}]}, {"a": [{"b": False}]}),
    (True, 1), (0, False), ({"a": 1}, {"a": "1"}), ({"a": ""}, {"a": None}), ({"a": False}, {"a": None}),
    ({"a": 0}, {}),
    ({"é": 1}, {"e\u0301": 1}), ({"a.b": {"c": 1}}, {"a": {"b.c": 1}}), ({"": {"": 1}}, {"": {"": 2}}),
    ({"a": 10**20}, {"a": 1e20}), ({"a": 123456789012345680000}, {"a": 1.2345678901234568e20}),
    ({"a": [2**64]}, {"a": [2**64 + 1]}), ({"a": -0.0}, {"a": 0}),
]


def ask(given: Given) -> Answer:
    return restored(items(diffs.diff(given["old"], given["new"])))


def pair(rng: random.Random) -> tuple[Any, Any]:
    """Two values, one of which is usually derived from the other."""
    old = mapping(rng) if rng.random() < 0.9 else value(rng)
    if rng.random() < 0.1:
        return rng.choice([(old, value(rng)), (None, old), (old, None), (old, old)])
    return old, changed(rng, old)


def cases(rng: random.Random) -> Iterator[dict[str, Any]]:
    numbers = [({"n": a}, {"n": b}) for a in NUMBERS for b in NUMBERS if a == b or rng.random() < 0.1]
    large = [({"n": a}, {"n": b}) for a in LARGE for b in LARGE]
    fixed = KNOWN + numbers + large
    for old, new in fixed + [pair(rng) for _ in range(COUNT - len(fixed))]:
        yield case({"old": old, "new": new}, ask, RULES)
