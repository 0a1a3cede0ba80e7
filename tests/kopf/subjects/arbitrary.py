"""Random JSON, with few different keys and many awkward values, so that collisions are likely."""
import random
from collections.abc import Callable
from typing import Any

KEYS = ["a", "b", "c", "spec", "status", "metadata", "é", "日本", "a.b", "x/y", "", "😀", "0", " "]
NUMBERS = [
    0, 1, 1.0, -1, 2, 0.0, -0.0, 0.5, 0.1, 0.1 + 0.2, 1.5, 1e30, 1e-7, 5e-324, 60, 60.0,
    2**53, 2**53 + 1, float(2**53), 2**63 - 1, -2**63, float(2**63), 2**64 - 1, float(2**64),
]
# Floats as Go prints them in Kubernetes, and as Python and Rust parse them.
LARGE = [2**64, 10**20, 1e20, -10**20, 123456789012345680000, 1.2345678901234568e20]
TEXTS = ["", "a", "1", "true", "null", "x", "it's \"x\"", "é", "e\u0301", "日本", "😀", "\n\t\0\x7f\u2028", "\\", "/<>"]
PLAIN = "abcdefghijklmnopqrstuvwxyz"
STRANGE = PLAIN + "ABCXYZ0123456789-_./<> :é日本😀\"'\\\n\t\0\x1b\x7f\u2028\ue000"


def text(rng: random.Random, most: int = 20, letters: str = STRANGE) -> str:
    return "".join(rng.choice(letters) for _ in range(rng.randrange(most + 1)))


def scalar(rng: random.Random) -> Any:
    return rng.choice([
        lambda: None, lambda: rng.choice([True, False]), lambda: rng.choice(NUMBERS), lambda: rng.choice(TEXTS),
        lambda: rng.randrange(-10, 1000), lambda: text(rng, 8), lambda: rng.choice(TEXTS),
    ])()


def value(rng: random.Random, depth: int = 3) -> Any:
    kind = rng.randrange(10)
    if depth and kind < 4:
        return mapping(rng, depth - 1)
    if depth and kind < 6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return scalar(rng)


def mapping(rng: random.Random, depth: int = 3) -> dict[str, Any]:
    return {rng.choice(KEYS): value(rng, depth) for _ in range(rng.randrange(5))}


def changed(rng: random.Random, old: Any) -> Any:
    """A similar value: with a few items added, removed, or replaced by similar ones."""
    match old:
        case dict():
            new = {key: item if rng.random() < 0.6 else changed(rng, item) for key, item in old.items()}
            if new and rng.random() < 0.3:
                del new[rng.choice(sorted(new))]
            if rng.random() < 0.4:
                new[rng.choice(KEYS)] = value(rng, 2)
            return new
        case list() if rng.random() < 0.7:
            new = [item if rng.random() < 0.7 else changed(rng, item) for item in old]
            return new + [scalar(rng)] if rng.random() < 0.3 else new
        case _:
            return rng.choice([scalar, lambda _: alike(old), lambda _: alike(old), value, lambda _: None])(rng)


def alike(old: Any) -> Any:
    """A value that Python considers equal, or almost."""
    match old:
        case bool():
            return int(old)
        case 0 | 1:
            return bool(old)
        case int() if abs(old) < 2**63:
            return float(old)
        case float() if old.is_integer():
            return int(old)
        case None:
            return {}
        case str():
            return [old]
        case _:
            return old


def replaced(item: Any, change: Callable[[Any], Any]) -> Any:
    """The same structure, with every scalar changed."""
    match item:
        case dict():
            return {key: replaced(inner, change) for key, inner in item.items()}
        case list():
            return [replaced(inner, change) for inner in item]
        case _:
            return change(item)
