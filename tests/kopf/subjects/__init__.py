"""Subjects of the comparison with Kopf, one module each, and what they share."""
import dataclasses
import importlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Given = dict[str, Any]
Answer = Any


def cases_of(subject: str, rng: random.Random) -> Iterator[dict[str, Any]]:
    return importlib.import_module(f"subjects.{subject}").cases(rng)


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@dataclasses.dataclass(frozen=True)
class Rule:
    """An intended difference: a change of the input or of the answer that makes Kopf's answer korf's."""
    name: str
    given: Callable[[Given], Given] = lambda given: given
    answer: Callable[[Answer, Given], Answer] = lambda answer, given: answer


def case(given: Given, ask: Callable[[Given], Answer], rules: Sequence[Rule] = ()) -> dict[str, Any]:
    """The input, Kopf's answer and, if a rule makes a difference, the answer expected of korf.

    The rules are applied in order, each on top of the ones before. Those that change the answer are named in the case.
    """
    kopf = korf = answer_of(ask, given)
    changed, applied, differs = given, [], []
    for rule in rules:
        changed = rule.given(changed)
        applied.append(rule)
        answer = answer_of(ask, changed)
        for step in applied:
            answer = step.answer(answer, given)
        if compact(answer) != compact(korf):
            differs.append(rule.name)
            korf = answer
    difference = {"differs": differs, "korf": korf} if compact(kopf) != compact(korf) else {}
    return {"in": given, "kopf": kopf, **difference}


def answer_of(ask: Callable[[Given], Answer], given: Given) -> Answer:
    try:
        return ask(given)
    except Exception as error:  # An exception counts as Kopf's answer.
        return {"raises": type(error).__name__}


def items(diff: Iterable[Any]) -> list[Any]:
    """The items of a diff, sorted, because Kopf's order is that of a set and varies between runs."""
    return sorted(([str(op), list(field), old, new] for op, field, old, new in diff), key=lambda item: item[1])
