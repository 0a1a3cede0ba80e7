#!/usr/bin/env bash
# Cargo: a program with settings of its own isn't stripped
#
# Versions: cargo 1.95.0.
#
# `strip = true` of a profile counts for all programs, except those whose package has an override in that profile, for whatever else. Such a
# one keeps its symbols; only its debug information goes. An override may say `strip` itself, and an override for all dependencies ("*")
# changes nothing.
#
#     strip in the profile: stripped
#     and an override of opt-level for the program: has symbols
#     and an override of opt-level and strip: stripped
#     and an override for all dependencies: stripped
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
echo 'fn main() {}' > "$folder/src/main.rs"
built() {
    printf '[package]\nname = "it"\nedition = "2021"\n[profile.release]\nstrip = true\n%s' "$2" > "$folder/Cargo.toml"
    CARGO_TARGET_DIR="$folder/target" cargo build --quiet --release --manifest-path "$folder/Cargo.toml"
    if readelf --wide --sections "$folder/target/release/it" | grep -q '\.symtab'; then echo "$1: has symbols"; else echo "$1: stripped"; fi
}
said=$(
    built "strip in the profile" ""
    built "and an override of opt-level for the program" $'[profile.release.package.it]\nopt-level = "s"\n'
    built "and an override of opt-level and strip" $'[profile.release.package.it]\nopt-level = "s"\nstrip = true\n'
    built "and an override for all dependencies" $'[profile.release.package."*"]\nopt-level = "s"\n'
)
expected="strip in the profile: stripped
and an override of opt-level for the program: has symbols
and an override of opt-level and strip: stripped
and an override for all dependencies: stripped"
[ "$said" = "$expected" ] || { printf 'It is otherwise:\n%s\n' "$said"; exit 1; }
echo "as described"
