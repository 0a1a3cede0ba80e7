#!/usr/bin/env python3
"""Creates a virtual environment with requirements.txt, once, and prints its folder: python3 tests/kopf/venv.py

It is in the cache folder (KORF_CACHE_DIR, or else korf in XDG_CACHE_HOME or ~/.cache), and its name contains the
versions. Needs the modules venv and ensurepip (Debian: python3-venv) and, the first time, a package index.
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
    # Only one process creates it. If that process dies, the kernel releases the lock.
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete(folder):
            create(folder)
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


def is_complete(folder):
    """Whether it was created without an interruption, and the Python that created it still exists."""
    return (folder / "complete").exists() and (folder / "bin" / "python").exists()


def create(folder):
    start = time.monotonic()
    report(f"installing {' and '.join(requirements())} into {folder} (once)")
    # Isolated, because in this folder Python would import this file as its module venv.
    run([sys.executable, "-I", "-m", "venv", "--clear", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run([*pip, "install", "--quiet", "--retries", "2", "--timeout", "15", "--requirement", str(REQUIREMENTS)])
    (folder / "complete").touch()
    report(f"installed {' and '.join(requirements())} in {time.monotonic() - start:.0f} s")


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        last = (result.stdout.strip().splitlines() or ["it printed nothing"])[-1]
        sys.exit(f"{' '.join(command[1:4])} failed: {last}")


def report(progress):
    print(progress, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
