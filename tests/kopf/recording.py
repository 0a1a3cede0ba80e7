"""Recording of handler calls in the database, and failures on demand, for the handover tests.

    CREATE TABLE handover_calls (number serial, call text, uid text, began timestamptz DEFAULT clock_timestamp());
    CREATE TABLE handover_failures (handler text PRIMARY KEY, times integer, delay float8);

Without these tables, handlers are simply called.
"""

import functools

import kopf

from database import connected


def recorded(handler):
    @functools.wraps(handler)
    def call(*, uid, retry, reason, diff, **arguments):
        name = handler.__name__
        with connected() as database:
            if is_recording(database):
                record(database, f"python {name} {retry} {reason.value}", uid)
                fail_on_demand(database, name)
        return handler(uid=uid, retry=retry, reason=reason, diff=diff, **arguments)

    return call


def is_recording(database):
    return database.run("SELECT to_regclass('handover_calls') IS NOT NULL")[0][0]


def record(database, call, uid):
    database.run("INSERT INTO handover_calls (call, uid) VALUES (:call, :uid)", call=call, uid=uid)


def fail_on_demand(database, name):
    sql = "UPDATE handover_failures SET times = times - 1 WHERE handler = :name AND times > 0 RETURNING delay"
    for (delay,) in database.run(sql, name=name):
        raise kopf.TemporaryError(f"{name} failed on demand", delay=delay)
