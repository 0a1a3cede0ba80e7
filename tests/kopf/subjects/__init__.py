"""The subjects on which Kopf is asked, a module for each; `case` is what they share."""
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
    """A difference that is meant: how Kopf has to be asked to answer as korf does, or what its answer becomes."""
    name: str
    given: Callable[[Given], Given] = lambda given: given
    answer: Callable[[Answer, Given], Answer] = lambda answer, given: answer


def case(given: Given, ask: Callable[[Given], Answer], rules: Sequence[Rule] = ()) -> dict[str, Any]:
    """What is asked, what Kopf answers and, where a rule makes a difference, what korf is to answer.

    The rules build on each other: those that are named are those that change the answer.
    """
    kopf = korf = answer_of(ask, given)
    asked, applied, differs = given, [], []
    for rule in rules:
        asked = rule.given(asked)
        applied.append(rule)
        answer = answer_of(ask, asked)
        for step in applied:
            answer = step.answer(answer, given)
        if compact(answer) != compact(korf):
            differs.append(rule.name)
            korf = answer
    meant = {"differs": differs, "korf": korf} if compact(kopf) != compact(korf) else {}
    return {"in": given, "kopf": kopf, **meant}


def answer_of(ask: Callable[[Given], Answer], given: Given) -> Answer:
    try:
        return ask(given)
    except Exception as error:  # Whatever Kopf raises is its answer.
        return {"raises": type(error).__name__}


def items(diff: Iterable[Any]) -> list[Any]:
    """The items of a diff; Kopf's order is that of a set, and so another one each time."""
    return sorted(([str(op), list(field), old, new] for op, field, old, new in diff), key=lambda item: item[1])
