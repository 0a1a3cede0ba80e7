"""Kopf's functions at a given time. Kopf's clock is that of the event loop."""
import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Any

from kopf._core.actions import progression

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class FrozenLoop(asyncio.SelectorEventLoop):
    def time(self) -> float:
        return 0.0


LOOP = FrozenLoop()


def moment(micros: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(microseconds=micros)


def micros(time: datetime.datetime | None) -> int | None:
    return None if time is None else (time - EPOCH) // datetime.timedelta(microseconds=1)


def at(now: int, function: Callable[[], Any]) -> Any:
    """The result of a function that is called at this time, in microseconds since the Unix epoch."""
    progression._get_basetime = lambda: moment(now)

    async def call() -> Any:
        answer = function()
        return await answer if isinstance(answer, Awaitable) else answer

    return LOOP.run_until_complete(call())
