#!/usr/bin/env bash
# PostgreSQL: a primary key of `json[]` is created without a word, and takes one row
#
# Versions: PostgreSQL 16.2 (from pgserver 0.1.4 of PyPI); seen on 14.24, 15.18, 17.11 and 18.6, too.
#
# `json` as a key is refused, since it has no order. An array of it has one by name (`array_ops` is for all arrays), and so has a
# composite type (`record_ops`), whatever they are made of. The first row is taken, because it is compared with nothing:
#
#     CREATE TABLE t (k json PRIMARY KEY)                       ERROR: data type json has no default operator class …
#     CREATE TABLE t (k json[] PRIMARY KEY)                     CREATE TABLE
#     INSERT INTO t VALUES ('{1}')                              INSERT 0 1
#     INSERT INTO t VALUES ('{2}')                              ERROR: could not identify a comparison function for type json
#
# Who makes tables for others has to ask for the order of what a type is made of; the server's yes says nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pgserver==0.1.4 pg8000==1.31.6
cat > "$folder/try.py" <<'PYTHON'
import sys

import pg8000.native
import pgserver

server = pgserver.get_server(sys.argv[1])
sql = pg8000.native.Connection("postgres", unix_sock=sys.argv[1] + "/.s.PGSQL.5432", database="postgres")


def error(statement):
    try:
        sql.run(statement)
    except pg8000.native.DatabaseError as raised:
        return raised.args[0]["M"]
    return None


assert "json has no default operator class" in error("CREATE TABLE refused (k json PRIMARY KEY)")
sql.run("CREATE TYPE pair AS (a integer, b json)")
for number, (type_, one, two) in enumerate([("json[]", "'{1}'", "'{2}'"), ("pair", "'(1,1)'", "'(1,2)'")]):
    assert error(f"CREATE TABLE t{number} (k {type_} PRIMARY KEY)") is None
    assert error(f"INSERT INTO t{number} VALUES ({one})") is None
    seen = error(f"INSERT INTO t{number} VALUES ({two})")
    assert seen == "could not identify a comparison function for type json", (type_, seen)
sql.close()
server.cleanup()
print("as described")
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder/data"
