#!/usr/bin/env bash
# Kopf (Python): a list of namespaces is its first part, unless that is a glob
#
# Versions: kopf 1.45.2.
#
# `kopf run -n a,b` serves `a` alone: each part after the first one only takes back what a negation has excluded before. The list
# isn't a name either, so that Kopf wants the right to list namespaces for it, and no namespace is served without that right.
# Repeated options are what one would expect of the list.
#
#     -n a,b            serves: a
#     -n a -n b         serves: a b
#     -n a*,b           serves: a ab
#     -n !b,b           serves: a ab b
#     named without the right to list them: a,b: none; a and b: a b
#
# Who moves an operator over, and has `-n a,b` in its manifest, has served `a` only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kopf==1.45.2
cat > "$folder/asks.py" <<'PYTHON'
from kopf._cogs.structs.references import match_namespace, select_specific_namespaces

def serves(*patterns):
    names = ["a", "ab", "b"]
    return " ".join(name for name in names if any(match_namespace(name, pattern) for pattern in patterns))

def named(*patterns):
    return " ".join(sorted(select_specific_namespaces(patterns))) or "none"

print("-n a,b            serves:", serves("a,b"))
print("-n a -n b         serves:", serves("a", "b"))
print("-n a*,b           serves:", serves("a*,b"))
print("-n !b,b           serves:", serves("!b,b"))
print(f"named without the right to list them: a,b: {named('a,b')}; a and b: {named('a', 'b')}")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/asks.py")
echo "$seen"
expected=$(sed -n 's/^#     //p' "$0")
if [ "$seen" = "$expected" ]; then
  echo "as described"
else
  echo "it is no longer as described" >&2
  exit 1
fi
