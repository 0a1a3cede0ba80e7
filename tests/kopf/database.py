"""Connections to the database in DATABASE_URL."""

import contextlib
import os
import urllib.parse

import pg8000.native


@contextlib.contextmanager
def connected():
    url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
    connection = pg8000.native.Connection(
        urllib.parse.unquote(url.username),
        password=urllib.parse.unquote(url.password or ""),
        host=url.hostname,
        port=url.port or 5432,
        database=url.path.lstrip("/"),
    )
    with contextlib.closing(connection):
        yield connection
