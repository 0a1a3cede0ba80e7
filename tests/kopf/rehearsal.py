"""What a test of the hand-over needs of a handler: calls are noted in the database, and fail where it says so.

    CREATE TABLE handover_calls (number serial, call text, uid text, began timestamptz DEFAULT clock_timestamp());
    CREATE TABLE handover_failures (handler text PRIMARY KEY, times integer, delay float8);

Without these tables, handlers are called and that is all.
"""

import functools

import kopf

from database import connected


def noted(handler):
    @functools.wraps(handler)
    def call(*, uid, retry, reason, diff, **arguments):
        name = handler.__name__
        with connected() as database:
            if rehearsing(database):
                note(database, f"python {name} {retry} {reason.value}", uid)
                fail_if_asked(database, name)
        return handler(uid=uid, retry=retry, reason=reason, diff=diff, **arguments)

    return call


def rehearsing(database):
    return database.run("SELECT to_regclass('handover_calls') IS NOT NULL")[0][0]


def note(database, call, uid):
    database.run("INSERT INTO handover_calls (call, uid) VALUES (:call, :uid)", call=call, uid=uid)


def fail_if_asked(database, name):
    sql = "UPDATE handover_failures SET times = times - 1 WHERE handler = :name AND times > 0 RETURNING delay"
    for (delay,) in database.run(sql, name=name):
        raise kopf.TemporaryError(f"{name} was asked to fail", delay=delay)
