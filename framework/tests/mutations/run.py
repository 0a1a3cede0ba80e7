#!/usr/bin/env python3
"""Plants the mutations of list.toml, one at a time, and checks that the tests find each of them.

    framework/tests/mutations/run.py                 all of them
    framework/tests/mutations/run.py no-uid no-tick  some
    framework/tests/mutations/run.py --list          check the list, and print it
    framework/tests/mutations/run.py --baseline      run the tests without a mutation

The simulation's fixed seeds alone look for a mutation of the finder `seeds`; for one of the finder `any`, the unit tests
come first. The sources are copied to target/mutations, with a build directory of their own, so the working tree is never
changed. It needs Python 3.11.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LIST = Path(__file__).with_name("list.toml")
# The seconds after which a run of tests counts as endless, which is a finding, too. A build may take as long as it takes.
LONGEST = 240


class Tree:
    """A copy of the sources."""

    def __init__(self, scratch):
        self.path = scratch / "tree"
        own = {"CARGO_TARGET_DIR": str(scratch / "build"), "CARGO_INCREMENTAL": "1", "KORF_FAILURES": "1"}
        others = ("CARGO_BUILD_BUILD_DIR", "KORF_SEEDS")
        self.env = {name: value for name, value in (os.environ | own).items() if name not in others}
        self.copy()

    def copy(self):
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )
        names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
        for name in sorted(names):
            self.write(name, (ROOT / name).read_bytes())
        known = (path for path in self.path.rglob("*") if path.is_file())
        for path in [path for path in known if str(path.relative_to(self.path)) not in names]:
            path.unlink()

    def write(self, name, content):
        """Writes a file, unless it is the same: cargo would build it again."""
        path = self.path / name
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def cargo(self, command, log, limit=None):
        with open(log, "a", encoding="utf-8") as out:
            # In a session of its own: cargo's end alone would leave an endless test behind.
            running = subprocess.Popen(
                ["nice", "-n", "5", "cargo", *command],
                cwd=self.path, env=self.env, stdout=out, stderr=out, start_new_session=True,
            )
            try:
                return running.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                return None
            finally:
                if running.poll() is None:
                    os.killpg(running.pid, signal.SIGKILL)
                    running.wait()


def fail(why):
    sys.exit(f"mutations: {why}")


def load():
    data = tomllib.loads(LIST.read_text(encoding="utf-8"))
    mutations = [mutation | {"file": file["path"]} for file in data["file"] for mutation in file["mutation"]]
    ids = [mutation["id"] for mutation in mutations]
    if len(set(ids)) != len(ids):
        fail("two mutations have one id")
    for mutation in mutations:
        if mutation["finder"] != "seeds" and (mutation["finder"] != "any" or "promise" in mutation):
            fail(f"{mutation['id']}: its finder is seeds, or any where it breaks no promise")
        path = ROOT / mutation["file"]
        if not path.is_file():
            fail(f"{mutation['id']}: there is no file {mutation['file']}")
        found = path.read_text(encoding="utf-8").count(mutation["find"])
        if found != 1:
            fail(f"{mutation['id']}: its text occurs {found} times in {mutation['file']}")
    return data["units"], mutations


def hunt(tree, units, finder, log):
    """Returns the tests that found it, or None."""
    steps = [("unit tests", unit) for unit in units] if finder == "any" else []
    steps.append(("seeds", ["test", "-p", "korf", "--test", "simulation", "what_holds_holds_for_all_seeds"]))
    for name, command in steps:
        if tree.cargo([*command[:1], "--no-run", *command[1:]], log) != 0:
            fail(f"it doesn't compile: see {log}")
        code = tree.cargo(command, log, LONGEST)
        if code is None:
            return f"{name} (no end)"
        if code != 0:
            return name
    return None


def first_failure(log):
    """The simulation's line about the first failed seed."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith("seed ")), "")


def run(tree, units, mutation, scratch):
    log = scratch / f"{mutation['id']}.log"
    log.unlink(missing_ok=True)
    name = mutation["file"]
    original = (ROOT / name).read_text(encoding="utf-8")
    tree.write(name, original.replace(mutation["find"], mutation["replace"]).encode())
    begun = time.monotonic()
    try:
        finder = hunt(tree, units, mutation["finder"], log)
    finally:
        tree.write(name, original.encode())
    return finder, time.monotonic() - begun, first_failure(log)


def main():
    parser = argparse.ArgumentParser(description="Plants mutations, and checks that the tests find them.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="only these")
    parser.add_argument("--list", action="store_true", help="check the list, and print it")
    parser.add_argument("--baseline", action="store_true", help="run the tests without a mutation")
    parser.add_argument("--scratch", type=Path, default=ROOT / "target" / "mutations", help="where the copy is")
    arguments = parser.parse_args()
    units, mutations = load()
    unknown = set(arguments.ids) - {mutation["id"] for mutation in mutations}
    if unknown:
        fail(f"there is no {', '.join(sorted(unknown))}")
    chosen = [mutation for mutation in mutations if not arguments.ids or mutation["id"] in arguments.ids]
    if arguments.list:
        for mutation in chosen:
            print(f"{mutation['id']:28} {mutation['finder']:6} {mutation.get('promise', '-'):12} {mutation['file']}")
        return
    if not shutil.which("cargo"):
        fail("there is no cargo")
    scratch = arguments.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    tree = Tree(scratch)
    # Tests that fail without a mutation would find all of them.
    if arguments.baseline or not arguments.ids:
        log = scratch / "baseline.log"
        log.unlink(missing_ok=True)
        begun = time.monotonic()
        if finder := hunt(tree, units, "any", log):
            fail(f"without a mutation, the {finder} fail: see {log}")
        print(f"{'(none)':28} {'-':12} {time.monotonic() - begun:5.0f} s", flush=True)
        if arguments.baseline:
            return
    survived = []
    for mutation in chosen:
        finder, seconds, words = run(tree, units, mutation, scratch)
        print(f"{mutation['id']:28} {finder or 'SURVIVES':12} {seconds:5.0f} s  {words[:120]}", flush=True)
        if not finder:
            survived.append(mutation["id"])
    if survived:
        fail(f"{len(survived)} of {len(chosen)} survive: {', '.join(survived)}")
    print(f"all {len(chosen)} are found")


if __name__ == "__main__":
    main()
