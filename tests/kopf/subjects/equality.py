"""Values that are equal for Kopf exactly if they are equal for korf."""
from typing import Any

from subjects import Given, Rule
from subjects.arbitrary import replaced


class Boolean:
    """A boolean that isn't a number."""

    def __init__(self, value: bool) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Boolean) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


class Large(float):
    """An integer of more than 64 bits, as a float."""

    def __new__(cls, value: int) -> "Large":
        large = super().__new__(cls, value)
        large.value = value
        return large


def as_boolean(value: Any) -> Any:
    return Boolean(value) if isinstance(value, bool) else value


def as_float(value: Any) -> Any:
    fits = isinstance(value, bool) or not isinstance(value, int) or -2**63 <= value < 2**64
    return value if fits else Large(value)


def restored(item: Any) -> Any:
    return replaced(item, lambda value: value.value if isinstance(value, (Boolean, Large)) else value)


def both(given: Given, change: Any) -> Given:
    return given | {name: replaced(given[name], change) for name in ("old", "new")}


RULES = (
    Rule("booleans", given=lambda given: both(given, as_boolean)),
    Rule("large-numbers", given=lambda given: both(given, as_float)),
)
