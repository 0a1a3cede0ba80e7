"""Kopf's functions at a moment that we choose: its clock is the one of the event loop."""
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
    """What the function gives when it is called at this microsecond of Unix time."""
    progression._get_basetime = lambda: moment(now)

    async def call() -> Any:
        answer = function()
        return await answer if isinstance(answer, Awaitable) else answer

    return LOOP.run_until_complete(call())
