#!/usr/bin/env python3
"""Writes Kopf's own answers to tests/kopf/vectors: python3 tests/kopf/vectors.py [--check]

Uses the Python that runs it if that has the Kopf of requirements.txt, or else the environment of venv.py. README.md
describes the files.
"""

import argparse
import importlib.metadata
import os
import pathlib
import random
import subprocess
import sys

SUBJECTS = ("diffs", "reductions", "essences", "keys", "progress", "causes", "retries")
HERE = pathlib.Path(__file__).resolve().parent
INSIDE = "KORF_VECTORS_INSIDE"


def main():
    options = parse_arguments()
    if not has_kopf():
        return run_inside()
    texts = {subject: text_of(subject, options.seed) for subject in options.subjects or SUBJECTS}
    return check(texts) if options.check else write(texts)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"{', '.join(SUBJECTS)} (default: all)")
    parser.add_argument("--check", action="store_true", help="only compare with the committed files")
    parser.add_argument("--seed", type=int, default=2026, help="for the random cases (default: %(default)s, as committed)")
    options = parser.parse_args()
    for unknown in sorted(set(options.subjects) - set(SUBJECTS)):
        parser.error(f"no such subject: {unknown}")
    return options


def has_kopf():
    required = [line for line in (HERE / "requirements.txt").read_text().splitlines() if line.startswith("kopf==")]
    try:
        return required == [f"kopf=={importlib.metadata.version('kopf')}"]
    except importlib.metadata.PackageNotFoundError:
        return False


def run_inside():
    if os.environ.get(INSIDE):
        sys.exit(f"{sys.executable} doesn't have the Kopf of requirements.txt")
    venv = subprocess.run([sys.executable, HERE / "venv.py"], stdout=subprocess.PIPE, text=True)
    if venv.returncode:
        return venv.returncode
    python = pathlib.Path(venv.stdout.strip()) / "bin" / "python"
    return subprocess.run([python, __file__, *sys.argv[1:]], env=os.environ | {INSIDE: "1"}).returncode


def text_of(subject, seed):
    sys.dont_write_bytecode = True  # Keeps the checkout clean.
    from subjects import cases_of, compact

    # A random generator per subject, so that a change of one subject doesn't affect the others.
    cases = cases_of(subject, random.Random(f"{subject} {seed}"))
    return "".join(compact(case) + "\n" for case in cases)


def file_of(subject):
    return HERE / "vectors" / f"{subject}.jsonl"


def write(texts):
    for subject, text in texts.items():
        file_of(subject).write_text(text, encoding="ascii", newline="\n")
        count, differing = text.count("\n"), text.count(',"differs":')
        print(f"{subject:10} {count:5} cases, {differing:4} of them differ, {len(text) // 1024:4} KiB")
    return 0


def check(texts):
    stale = [subject for subject, text in texts.items() if text != committed(subject)]
    for subject in stale:
        print(f"{file_of(subject)} is out of date: run {__file__}", file=sys.stderr)
    return 1 if stale else 0


def committed(subject):
    file = file_of(subject)
    return file.read_bytes().decode("ascii", "replace") if file.exists() else None


if __name__ == "__main__":
    sys.exit(main())
