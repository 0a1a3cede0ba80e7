#!/usr/bin/env python3
"""Makes the virtual environment of requirements.txt, once, and prints its folder: python3 tests/kopf/venv.py

It is kept in the cache folder (KORF_CACHE_DIR, else korf in XDG_CACHE_HOME or ~/.cache), under the versions in it.
Needs the modules venv and ensurepip (Debian: python3-venv) and, the first time, a package index.
"""

import fcntl
import os
import pathlib
import subprocess
import sys
import time

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")


def main():
    folder = cache_folder() / "python" / key()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Only one process makes it; the kernel lets go of the lock if that one dies.
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_whole(folder):
            make(folder)
    print(folder)


def cache_folder():
    given, caches = os.environ.get("KORF_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME")
    if given:
        return pathlib.Path(given)
    return (pathlib.Path(caches) if caches else pathlib.Path.home() / ".cache") / "korf"


def requirements():
    lines = REQUIREMENTS.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def key():
    python = f"python-{sys.version_info.major}.{sys.version_info.minor}"
    return "-".join([python, *(line.replace("==", "-") for line in requirements())])


def is_whole(folder):
    """Nobody was interrupted while making it, and the Python that it was made with is still there."""
    return (folder / "whole").exists() and (folder / "bin" / "python").exists()


def make(folder):
    start = time.monotonic()
    say(f"installing {' and '.join(requirements())} into {folder}: this is done once")
    # Isolated: in this folder, Python would take this file for its own module venv.
    run([sys.executable, "-I", "-m", "venv", "--clear", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run([*pip, "install", "--quiet", "--retries", "2", "--timeout", "15", "--requirement", str(REQUIREMENTS)])
    (folder / "whole").touch()
    say(f"installed {' and '.join(requirements())} in {time.monotonic() - start:.0f} s")


def run(command):
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        last = (made.stdout.strip().splitlines() or ["it said nothing"])[-1]
        sys.exit(f"{' '.join(command[1:4])} failed: {last}")


def say(words):
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
