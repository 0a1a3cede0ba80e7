#!/usr/bin/env bash
# PostgreSQL: `quote_all_identifiers` changes what `format('%I')` returns, and with it every key that is made of a name
#
# Versions: PostgreSQL 16.2 (from pgserver 0.1.4 of PyPI); seen on 15.18, too.
#
# The setting is meant for dumps, and any user may set it. It reaches `format('%I')`, `quote_ident` and `regclass::text`, too, so
# that two sessions print the same name in two ways, and a lock whose key is the hash of a qualified name isn't one lock:
#
#     off   format('%I.%I', 'public', 't')   public.t       't'::regclass::text   t
#     on    format('%I.%I', 'public', 't')   "public"."t"   't'::regclass::text   "t"
#
#     one session, off:  pg_try_advisory_lock(hashtextextended(format('%I.%I', 'public', 't'), 0))    t
#     another one, on:   the same statement                                                          t, at the same time
#
# `format_type` isn't touched. Behind a pooler in transaction mode, a client that has set it passes it on to the next one.
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
socket = sys.argv[1] + "/.s.PGSQL.5432"


def connect():
    return pg8000.native.Connection("postgres", unix_sock=socket, database="postgres")


one, other = connect(), connect()
one.run("CREATE TABLE t (a integer)")
other.run("SET quote_all_identifiers = on")
names = "SELECT format('%I.%I', 'public', 't'), quote_ident('t'), 't'::regclass::text, format_type(23, -1)"
assert one.run(names) == [["public.t", "t", "t", "integer"]], one.run(names)
assert other.run(names) == [['"public"."t"', '"t"', '"t"', "integer"]], other.run(names)
lock = "SELECT pg_try_advisory_lock(hashtextextended(format('%I.%I', 'public', 't'), 0))"
assert one.run(lock) == [[True]]
assert other.run(lock) == [[True]], "it is held by the first session"
other.run("SET quote_all_identifiers = off")
assert other.run(lock) == [[False]], "it is the same lock with the same setting"
one.close()
other.close()
server.cleanup()
print("as described")
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder/data"
