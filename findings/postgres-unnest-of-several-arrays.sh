#!/usr/bin/env bash
# PostgreSQL: `unnest` of several arrays exists only without its schema
#
# Versions: PostgreSQL 16.2 (from pgserver 0.1.4 of PyPI); seen on 15.18, too.
#
# Who writes all names of functions with their schema, so that no object in the search path can take their place, finds that
# `pg_catalog.unnest(a)` works and `pg_catalog.unnest(a, b)` doesn't: of several arguments, `unnest` isn't a function but a
# form of FROM that the parser knows by the bare name, and turns into ROWS FROM with the function of pg_catalog for each
# array. So the bare name is the safe one here, and the qualified one fails:
#
#     SELECT * FROM unnest(ARRAY[1], ARRAY[2])                 one row: 1, 2
#     SELECT * FROM pg_catalog.unnest(ARRAY[1])                one row: 1
#     SELECT * FROM pg_catalog.unnest(ARRAY[1], ARRAY[2])      ERROR:  function pg_catalog.unnest(integer[], integer[]) does not exist
#
# And a function of the user's own with that name and two arguments isn't called by the bare name, though its schema comes
# first in the search path.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pgserver==0.1.4
cat > "$folder/try.py" <<'PYTHON'
import sys

import pgserver

server = pgserver.get_server(sys.argv[1])


def ask(sql):
    try:
        return " ".join(server.psql(sql).split())
    except Exception as error:
        return f"ERROR {error}"


seen = ask("SELECT * FROM unnest(ARRAY[1], ARRAY[2])")
assert "1 | 2" in seen, seen
seen = ask("SELECT * FROM pg_catalog.unnest(ARRAY[1])")
assert "(1 row)" in seen, seen
# psql's own error output says more; here it is enough that there is no row.
seen = ask("SELECT * FROM pg_catalog.unnest(ARRAY[1], ARRAY[2])")
assert "row)" not in seen, seen
ask("CREATE FUNCTION public.unnest(a int[], b int[]) RETURNS TABLE (x int) LANGUAGE sql AS 'SELECT 7'")
seen = ask("SET search_path = public, pg_catalog; SELECT * FROM unnest(ARRAY[1], ARRAY[2])")
assert "1 | 2" in seen and "7" not in seen, seen
server.cleanup()
print("as described")
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder/data" 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 1; }
grep -q 'function pg_catalog.unnest(integer\[\], integer\[\]) does not exist' "$folder/errors"
