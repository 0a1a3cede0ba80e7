#!/usr/bin/env bash
# PostgreSQL: to read a default from the catalog takes a lock on its table, unless nobody says whose it is
#
# Versions: PostgreSQL 16.2 (from pgserver 0.1.4 of PyPI); seen on 15.18, too.
#
# Who reads only catalogs waits for nobody: pg_class, pg_attribute and pg_attrdef are read beside a migration that has locked the table
# (ACCESS EXCLUSIVE). But the text of a default comes from `pg_get_expr(adbin, adrelid)`, and that opens the table for its columns'
# names, so it waits behind the migration, and whatever asks next behind that. With 0 in place of the table it doesn't, and prints a
# default all the same, because that names no column. What a column is generated from can't be read so:
#
#     BEGIN; LOCK TABLE t;                                             (another session)
#     SELECT adbin FROM pg_attrdef …                                   is answered
#     SELECT pg_get_expr(adbin, adrelid) … of the default              ERROR: canceling statement due to lock timeout
#     SELECT pg_get_expr(adbin, 0) … of the default                    (1 + 2)
#     SELECT pg_get_expr(adbin, 0) … of the generated column           ERROR: expression contains variables
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


def connect():
    return pg8000.native.Connection("postgres", unix_sock=sys.argv[1] + "/.s.PGSQL.5432", database="postgres")


migration, reader = connect(), connect()
migration.run("CREATE TABLE t (a integer DEFAULT 1 + 2, b integer GENERATED ALWAYS AS (a * 2) STORED)")
migration.run("BEGIN")
migration.run("LOCK TABLE t")
reader.run("SET lock_timeout = '500ms'")
table = reader.run("SELECT oid FROM pg_class WHERE relname = 't'")[0][0]


def ask(what, column):
    query = f"SELECT {what}::text FROM pg_attrdef WHERE adrelid = {table} AND adnum = {column}"
    try:
        return reader.run(query)[0][0]
    except pg8000.native.DatabaseError as raised:
        return "ERROR: " + raised.args[0]["M"]


for what, column, expected in [
    ("adbin", 1, "{"),
    ("pg_get_expr(adbin, adrelid)", 1, "ERROR: canceling statement due to lock timeout"),
    ("pg_get_expr(adbin, 0)", 1, "(1 + 2)"),
    ("pg_get_expr(adbin, adrelid)", 2, "ERROR: canceling statement due to lock timeout"),
]:
    seen = ask(what, column)
    assert seen.startswith(expected), (what, column, seen)
seen = ask("pg_get_expr(adbin, 0)", 2)
assert seen == "ERROR: expression contains variables", seen
migration.run("ROLLBACK")
assert ask("pg_get_expr(adbin, adrelid)", 2) == "(a * 2)"
migration.close()
reader.close()
server.cleanup()
print("as described")
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder/data"
