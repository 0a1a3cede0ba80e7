#!/usr/bin/env python3
"""Asks Kopf itself and writes what it answers into tests/kopf/vectors: python3 tests/kopf/vectors.py [--check]

Uses the Python that runs it if that has the Kopf of requirements.txt, else the environment of venv.py. README.md
tells what the files hold.
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
    written = {subject: text_of(subject, options.seed) for subject in options.subjects or SUBJECTS}
    return check(written) if options.check else write(written)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; none: all")
    parser.add_argument("--check", action="store_true", help="compare with the committed files and write nothing")
    parser.add_argument("--seed", type=int, default=2026, help="of the random cases; committed: %(default)s")
    options = parser.parse_args()
    for unknown in sorted(set(options.subjects) - set(SUBJECTS)):
        parser.error(f"no such subject: {unknown}")
    return options


def has_kopf():
    wanted = [line for line in (HERE / "requirements.txt").read_text().splitlines() if line.startswith("kopf==")]
    try:
        return wanted == [f"kopf=={importlib.metadata.version('kopf')}"]
    except importlib.metadata.PackageNotFoundError:
        return False


def run_inside():
    if os.environ.get(INSIDE):
        sys.exit(f"{sys.executable} doesn't have the Kopf of requirements.txt")
    made = subprocess.run([sys.executable, HERE / "venv.py"], stdout=subprocess.PIPE, text=True)
    if made.returncode:
        return made.returncode
    python = pathlib.Path(made.stdout.strip()) / "bin" / "python"
    return subprocess.run([python, __file__, *sys.argv[1:]], env=os.environ | {INSIDE: "1"}).returncode


def text_of(subject, seed):
    sys.dont_write_bytecode = True  # It would lie about in the checkout.
    from subjects import cases_of, compact

    # A generator for each subject, so that a change of one leaves the others as they are.
    cases = cases_of(subject, random.Random(f"{subject} {seed}"))
    return "".join(compact(case) + "\n" for case in cases)


def file_of(subject):
    return HERE / "vectors" / f"{subject}.jsonl"


def write(written):
    for subject, text in written.items():
        file_of(subject).write_text(text, encoding="ascii", newline="\n")
        count, differing = text.count("\n"), text.count(',"differs":')
        print(f"{subject:10} {count:5} cases, {differing:4} of them differ, {len(text) // 1024:4} KiB")
    return 0


def check(written):
    stale = [subject for subject, text in written.items() if text != committed(subject)]
    for subject in stale:
        print(f"{file_of(subject)} isn't what Kopf answers: make it anew", file=sys.stderr)
    return 1 if stale else 0


def committed(subject):
    file = file_of(subject)
    return file.read_bytes().decode("ascii", "replace") if file.exists() else None


if __name__ == "__main__":
    sys.exit(main())
