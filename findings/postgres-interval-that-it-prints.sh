#!/usr/bin/env bash
# PostgreSQL: a column type that format_type prints and no statement takes
#
# Versions: PostgreSQL 16.2 (from pgserver 0.1.4 of PyPI); seen on 15.18 and 18.6, too.
#
# `interval` has two modifiers: which fields it keeps, and how many digits of seconds. Quoted like any other type, it takes both as
# numbers, in combinations for which SQL has no words. The catalog then prints words that the grammar doesn't have, so a dump or
# a schema tool that repeats what `format_type` says can't be read again:
#
#     CREATE TABLE t (i "interval"(4, 9))                       CREATE TABLE (and a notice: 9 digits became 6)
#     SELECT format_type(atttypid, atttypmod) …                 interval year(6)
#     CREATE TABLE u (i interval year(6))                       ERROR: syntax error at or near "("
#
# Who compares or stores types by their text has to keep OID and modifier beside it.
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
sql.run('CREATE TABLE t (i "interval"(4, 9))')
printed = sql.run(
    "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'i'"
)[0][0]
assert printed == "interval year(6)", printed
try:
    sql.run(f"CREATE TABLE u (i {printed})")
    seen = "taken"
except pg8000.native.DatabaseError as raised:
    seen = raised.args[0]["M"]
assert seen == 'syntax error at or near "("', seen
sql.close()
server.cleanup()
print("as described")
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder/data"
