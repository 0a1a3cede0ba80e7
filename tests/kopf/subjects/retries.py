"""Outcomes of attempts, and their log messages."""
import itertools
import logging
import math
import random
from collections.abc import Iterator
from typing import Any

from kopf._cogs.configs.configuration import OperatorSettings
from kopf._core.actions import execution

from subjects import Answer, Given, Rule, case
from subjects.frozen import at
from subjects.progress import NOW, handler, state_of

COUNT = 600
SUBJECT = "Handler 'fn' "
LOGGER = logging.getLogger("vectors")


class Seconds(float):
    """Seconds as people write them: rounded to hundredths, without trailing zeros."""

    def __format__(self, _: str) -> str:
        rounded = math.floor(self * 100 + 0.5) / 100
        return str(int(rounded) if rounded.is_integer() else rounded)


class Wordless(Exception):
    """An error without a message, for which Kopf would print the name of its type. Rust's errors have no such name."""

    def __repr__(self) -> str:
        return ""


class WordlessTemporary(Wordless, execution.TemporaryError):
    pass


class WordlessPermanent(Wordless, execution.PermanentError):
    pass


def failure(given: Given) -> Exception | None:
    message, wordless = given["message"], given.get("wordless", False) and not given["message"]
    match given["error"]:
        case "temporary":
            kind = WordlessTemporary if wordless else execution.TemporaryError
            return kind(message, delay=given["delay"])
        case "permanent":
            return (WordlessPermanent if wordless else execution.PermanentError)(message)
        case "arbitrary":
            return (Wordless if wordless else RuntimeError)(message)
    return None


def ask(given: Given) -> Answer:
    messages: list[str] = []

    async def called(**_: Any) -> None:
        error = failure(given)
        if error is not None:
            raise error

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    async def attempt() -> execution.Outcome:
        errors = given["errors"] and execution.ErrorsMode[given["errors"]]
        options = {name: given[name] for name in ("timeout", "retries", "backoff")}
        state = state_of({"started": NOW - given["elapsed"], "retries": given["before"]}, NOW)
        return await execution.execute_handler_once(
            settings=OperatorSettings(), handler=handler("fn", fn=called, errors=errors, **options),
            cause=execution.Cause(logger=LOGGER), state=state)

    LOGGER.handlers, LOGGER.propagate = [Listener()], False
    LOGGER.setLevel(logging.INFO)
    outcome = at(NOW, attempt)
    assert len(messages) == 1 and messages[0].startswith(SUBJECT)
    return {
        "words": messages[0].removeprefix(SUBJECT), "final": outcome.final,
        # In microseconds.
        "delay": None if outcome.delay is None else round(outcome.delay * 1_000_000),
        "message": None if outcome.exception is None else str(outcome.exception),
    }


def as_people_write(given: Given) -> Given:
    seconds = {name: given[name] and Seconds(given[name]) for name in ("timeout", "backoff")}
    return given | seconds | ({"backoff": Seconds(60)} if given["backoff"] is None else {})


def growing(given: Given) -> Given:
    """korf's default backoff: one second, doubled each time, up to a minute, not counting jitter."""
    unset = given["backoff"] is None
    return given | ({"backoff": Seconds(min(60, 2 ** min(given["before"], 31)))} if unset else {})


def at_once(answer: Answer, _: Given) -> Answer:
    return answer | ({"delay": 0} if not answer["final"] and answer["delay"] is None else {})


def with_its_delay(answer: Answer, _: Given) -> Answer:
    start, _, message = answer["words"].partition(": ")
    if start != "failed temporarily":
        return answer
    after = Seconds((answer["delay"] or 0) / 1_000_000)
    return answer | {"words": f"{start} and will try again in {after:} seconds: {message}"}


RULES = (
    Rule("growing-backoff", given=growing),
    Rule("numbers", given=as_people_write),
    Rule("wordless-errors", given=lambda given: given | {"wordless": True}),
    Rule("no-delay", answer=at_once),
    Rule("temporary-delays", answer=with_its_delay),
)


def attempts(rng: random.Random) -> Given:
    # Quarters of a second, whose sums are exact even in Python's floats.
    quarter = lambda most: rng.randrange(most) / 4
    timeout = rng.choice([None, None, 0, 10, 4, 60, 86_400, 90_000, quarter(1000), 60.0, 1.5, 100 / 3])
    known = [0, 1, 883_823, 59_000_000, 90_000_000, 86_400_000_000, 172_801_000_001]
    elapsed = rng.choice([*known, rng.randrange(400) * 250_000, rng.randrange(10**9)])
    return {
        "error": rng.choice(["temporary", "permanent", "arbitrary", "arbitrary", None]),
        "message": rng.choice(["no route", "no route", "é 日本\nsecond line", "x" * 100, ""]),
        "delay": rng.choice([None, 0, 1, 60, 60, quarter(1000), 3600]),
        "errors": rng.choice([None, "IGNORED", "TEMPORARY", "PERMANENT"]),
        "timeout": timeout, "retries": rng.choice([None, None, 0, 1, 3, 3, 10]),
        "backoff": rng.choice([None, 60, 10, 0, 1.5, 60.0, quarter(1000), 10 / 3]),
        "before": rng.choice([0, 0, 1, 2, 3, 7, 100]), "elapsed": elapsed,
    }


def cases(rng: random.Random) -> Iterator[dict[str, Any]]:
    plain = {"message": "no route", "delay": 5, "timeout": None, "retries": None, "backoff": 60}
    plain |= {"before": 0, "elapsed": 0}
    reached = [
        {}, {"retries": 3, "before": 2}, {"retries": 3, "before": 3},
        {"timeout": 4}, {"timeout": 4, "elapsed": 4_000_001},
    ]
    modes = [None, "IGNORED", "TEMPORARY", "PERMANENT"]
    for error, errors in itertools.product(["temporary", "permanent", "arbitrary", None], modes):
        for limits in reached:
            yield case({"error": error, "errors": errors} | plain | limits, ask, RULES)
    for _ in range(COUNT - len(reached) * 4 * len(modes)):
        yield case(attempts(rng), ask, RULES)
