"""Keys of the annotations that store a handler's progress."""
import itertools
import random
import re
import warnings
from collections.abc import Iterator
from typing import Any

from kopf._cogs.configs.conventions import StorageKeyFormingConvention
from kopf._cogs.structs import bodies

from subjects import Answer, Given, Rule, case
from subjects.arbitrary import text
from subjects.essences import prefix_of

# korf rejects operator names that are too long for a prefix. Kopf warns about them, for each key.
warnings.filterwarnings("ignore", message="The annotations prefix is too long")
COUNT = 1000
OPERATORS = ["my-op", "a", "team.my-op", "p" * 38, "p" * 45, "p" * 50, "p" * 63, ".".join(["q" * 60] * 4)]
KINDS = [
    ("X", None), ("X", ["Deployment"]), ("ReplicaSet", None), ("ReplicaSet", []), ("ReplicaSet", ["Deployment"]),
    ("ReplicaSet", ["X", "Deployment"]), ("ReplicaSet", ["deployment"]),
]
IDS = [
    "fn", "create_fn", "create_fn/spec.field", "parent/sub", "parent/sub/a", "<lambda>", "fn.<locals>.<lambda>",
    "a<b>c/d", "", "/", "-", ".",
    "_fn", "fn_", "-fn", "fn-", "fn/", "/fn", "é", "aé", "éa", "日本", "fn日本/x", "x y", "a:b", "fn\n", "fn😀fn",
    "touch-dummy", "kopf-managed",
    "last-handled-configuration", "A", "0", "a..b", "a//b", "a/.b", "main/" + "sub/" * 30,
    "main/" + "sub/" * 30 + "x", "é" * 80, "日/" * 40, "a" * 300,
]
VALID = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")


def ask(given: Given) -> Answer:
    old_form = given["operator"] is None or given.get("old_form", True)
    convention = StorageKeyFormingConvention(prefix=prefix_of(given["operator"]), v1=old_form)
    return list(convention.make_keys(given["id"], body=bodies.Body(given["body"])))


def accepted(keys: Answer, given: Given) -> Answer:
    """The keys that Kubernetes accepts (`IsQualifiedName`), or else one made of the characters that it accepts."""
    good = [key for key in keys if VALID.fullmatch(key.partition("/")[2])]
    return good or [own_key(given)]


def own_key(given: Given) -> str:
    convention = StorageKeyFormingConvention(prefix=prefix_of(given["operator"]), v1=False)
    name = convention.mark_key(given["id"], body=bodies.Body(given["body"]))
    suffix = convention.make_suffix(name)
    start = re.sub("[^-A-Za-z0-9_.]", "", convention.make_safe_key(name)).lstrip("-_.") or "handler"
    return f"{convention.prefix}/{start[:63 - len(suffix)]}{suffix}"


RULES = (
    Rule("no-old-keys", given=lambda given: given | {"old_form": False}),
    Rule("refused-keys", answer=accepted),
)


def object_of(kind: str, owners: list[str] | None) -> dict[str, Any]:
    metadata = {} if owners is None else {"ownerReferences": [{"kind": owner} for owner in owners]}
    return {"kind": kind, "metadata": metadata}


def an_id(rng: random.Random) -> str:
    if rng.random() < 0.1:
        return text(rng, 100)
    letters = rng.choice(["abcxyz_", "abcxyz_/.", "abc/<>.-_", "abcé日😀/"])
    # Lengths around the limits (63 characters, and what a prefix leaves of them), and any others.
    length = rng.choice([rng.randrange(62, 65), rng.randrange(36, 50), rng.randrange(1, 30), rng.randrange(50, 130)])
    return "a" + "".join(rng.choice(letters) for _ in range(length - 2)) + rng.choice(["z", "z", "z", ">"])


def cases(rng: random.Random) -> Iterator[dict[str, Any]]:
    plain, owned = object_of("X", None), object_of("ReplicaSet", ["Deployment"])
    limits = itertools.product((None, "my-op", "p" * 45), range(40, 66), ("a", "b/"))
    lengths = [(operator, (letters * length)[1 - length:] + "z") for operator, length, letters in limits]
    fixed = [(operator, name, kind) for operator in (None, "my-op") for name in IDS for kind in (plain, owned)]
    fixed += [(operator, name, plain) for operator in OPERATORS for name in IDS[:6]]
    fixed += [(operator, name, plain) for operator, name in lengths]
    for operator, name, kind in fixed:
        yield case({"operator": operator, "id": name, "body": kind}, ask, RULES)
    for _ in range(COUNT - len(fixed)):
        operator = rng.choice(OPERATORS) if rng.random() < 0.3 else None
        yield case({"operator": operator, "id": an_id(rng), "body": object_of(*rng.choice(KINDS))}, ask, RULES)
