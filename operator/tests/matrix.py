#!/usr/bin/env python3
"""Runs the operator's PostgreSQL suite on every version of PostgreSQL, and through pgbouncer, and prints a table.

    operator/tests/matrix.py                        all of it, in about twenty minutes on two cores
    operator/tests/matrix.py 15 18                  some versions
    operator/tests/matrix.py --pgbouncer PATH       another pgbouncer than the one on PATH; repeatable
    operator/tests/matrix.py --objects 100          fewer objects for the test of two processes in transaction mode (1,000)
    operator/tests/matrix.py --only transaction     only combinations with this in their names

On each version, the suite runs on a server of its own, on a given server, and through each pgbouncer: in session mode, in
transaction mode, and there without prepared statements, where pgbouncer knows the setting. If there is no pgbouncer, it is
installed with apt, as root. Tests that are impossible in a combination say so, and count as passed; they are listed below the
table. The exit status is 1 if a test fails.

It needs Linux, Python 3.11 and what the suite needs. The servers come from the sandbox's cache.
"""

import argparse
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ["14", "15", "16", "17", "18"]
# The seconds for one run of the suite, and for the start of a server.
LONGEST, START = 900, 60
SUITE = ["cargo", "test", "-p", "database-table-operator", "--test", "postgres"]


def suite(folder: str) -> str:
    """Builds the suite, and returns the path of a copy, which no later build changes."""
    built = subprocess.run([*SUITE, "--no-run", "--message-format=json"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    lines = (json.loads(line) for line in built.stdout.splitlines())
    tests = (line for line in lines if line.get("target", {}).get("kind") == ["test"])
    return shutil.copy(next(line["executable"] for line in tests if line["executable"]), folder)


def unprivileged() -> dict:
    """The account of servers: PostgreSQL and pgbouncer don't run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    sys.exit("there is neither a user postgres nor nobody")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A program that listens on a port, in a folder of its own, until the block ends."""

    def __init__(self, command, port, folder):
        self.command, self.port, self.folder = command, port, folder

    def __enter__(self):
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=self.log, stderr=self.log, **unprivileged())
        end = time.monotonic() + START
        while self.process.poll() is None and time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__()
        sys.exit(f"{self.command[0]} doesn't start:\n{(self.folder / 'log').read_text()}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(START)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def write(path: Path, text: str):
    path.write_text(text)
    if os.geteuid() == 0:
        account = unprivileged()
        os.chown(path, account["user"], account["group"])
    path.chmod(0o600)


def own_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        account = unprivileged()
        os.chown(folder, account["user"], account["group"])
    return folder


def programs(version: str) -> Path:
    """PostgreSQL of a version in the sandbox's cache, which a run on an own server has filled."""
    caches = [os.environ.get("KORF_CACHE_DIR"), "/var/cache/korf", Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "korf"]
    found = [path for cache in caches if cache for path in Path(cache).glob(f"postgres/{version}.*/bin")]
    return found[0] if found else sys.exit(f"there is no PostgreSQL {version} in {caches}")


def postgres(version: str, parent: Path, password: str) -> Server:
    folder, port, bin_ = own_folder(parent, "postgres"), free_port(), programs(version)
    write(folder / "password", password)
    initdb = [bin_ / "initdb", "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", f"--pwfile={folder}/password", "-D", folder / "data"]
    subprocess.run(initdb, cwd=folder, check=True, stdout=subprocess.DEVNULL, **unprivileged())
    settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 300, "fsync": "off", "shared_buffers": "32MB"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Server([bin_ / "postgres", "-D", folder / "data", *options], port, folder)


def pgbouncer(program: str, mode: str, prepared: str | None, server: Server, parent: Path, password: str) -> Server:
    folder, port = own_folder(parent, "pgbouncer"), free_port()
    write(folder / "users", f'"postgres" "{password}"\n')
    # Few server connections for each database and user, so that they change hands. In session mode, a client keeps its own.
    settings = {
        "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "pidfile": folder / "pid",
        "auth_type": "scram-sha-256", "auth_file": folder / "users", "auth_user": "postgres",
        "auth_query": "SELECT usename, passwd FROM pg_catalog.pg_shadow WHERE usename = $1",
        "pool_mode": mode, "default_pool_size": 8 if mode == "transaction" else 50, "max_client_conn": 1000, "server_idle_timeout": 5,
    }
    if prepared is not None:
        settings["max_prepared_statements"] = prepared
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    write(folder / "ini", f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n{lines}")
    return Server([program, folder / "ini"], port, folder)


def find_pgbouncer() -> str:
    found = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "pgbouncer"], check=True)
        found = "/usr/sbin/pgbouncer"
    return found


def version_of(program: str) -> tuple[int, ...]:
    text = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in re.search(r"(\d+)\.(\d+)\.(\d+)", text).groups())


class Matrix:
    def __init__(self, options, program: str):
        self.options, self.program, self.rows, self.skipped = options, program, [], set()

    def run(self, version: str, how: str, variables: dict):
        """Runs the suite once."""
        name = f"PostgreSQL {version}, {how}"
        if self.options.only not in name:
            return
        environment = {**os.environ, **variables}
        # The suite's folder is the package's, as Cargo has it.
        process = subprocess.run(
            [self.program], cwd=ROOT / "operator", env=environment, timeout=LONGEST, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        # The last line: a failure may quote another process's.
        counts = re.findall(r"(\d+) passed; (\d+) failed", process.stdout)
        passed, failed = counts[-1] if counts else ("0", "all")
        failures = re.findall(r"^test (\S+) \.\.\. FAILED$", process.stdout, re.MULTILINE)
        skipped = re.findall(r"SKIPPED (\S+): (.*)", process.stderr)
        self.skipped.update((f"{version}, {how}" if how == "own" else "given and pgbouncer", *test) for test in skipped)
        self.rows.append((version, how, passed, failed, str(len({test for test, _ in skipped}))))
        print(f"{name}: {passed} passed, {failed} failed {failures}", flush=True)
        if failures or not counts:
            print(process.stdout[-8000:], process.stderr[-2000:], sep="\n", flush=True)

    def given(self, version: str, poolers: list[str]):
        """The runs on a server that this script starts."""
        password = secrets.token_hex(16)
        with tempfile.TemporaryDirectory(prefix="korf-matrix-") as folder:
            os.chmod(folder, 0o755)
            with postgres(version, Path(folder), password) as server:
                url = f"postgres://postgres:{password}@127.0.0.1:{server.port}/postgres"
                variables = {"KORF_SANDBOX_DATABASE_URL": url}
                self.run(version, "given", variables)
                for program in poolers:
                    known = version_of(program)
                    # pgbouncer knows the setting since 1.21.
                    ways = [("session", None), ("transaction", None)] + ([("transaction", "0")] if known >= (1, 21) else [])
                    for number, (mode, prepared) in enumerate(ways):
                        how = f"pgbouncer {'.'.join(map(str, known))} {mode}" + (" max_prepared_statements=0" if prepared else "")
                        with tempfile.TemporaryDirectory(prefix="korf-matrix-") as folder:
                            os.chmod(folder, 0o755)
                            with pgbouncer(program, mode, prepared, server, Path(folder), password) as pooler:
                                more = {"KORF_POOLER": f"127.0.0.1:{pooler.port}"}
                                if mode == "transaction":
                                    more["KORF_POOLED_OBJECTS"] = str(self.options.objects)
                                self.run(version, how, {**variables, **more})

    def print(self):
        print("\n| PostgreSQL | Connections | Passed | Failed | Of them skipped |\n|---|---|---|---|---|")
        for row in self.rows:
            print(f"| {' | '.join(row)} |")
        print("\nSkipped:")
        for how, test, why in sorted(self.skipped):
            print(f"- {how}: {test}: {why}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    parser.add_argument("--pgbouncer", action="append", default=[], metavar="PATH")
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    options.versions = options.versions or VERSIONS
    if unknown := set(options.versions) - set(VERSIONS):
        parser.error(f"unknown versions: {', '.join(unknown)}")
    poolers = options.pgbouncer or [find_pgbouncer()]
    with tempfile.TemporaryDirectory(prefix="korf-matrix-") as folder:
        matrix = Matrix(options, suite(folder))
        for version in options.versions:
            matrix.run(version, "own", {"KORF_SANDBOX_POSTGRES": version})
            matrix.given(version, poolers)
    matrix.print()
    return int(any(row[3] != "0" for row in matrix.rows) or not matrix.rows)


if __name__ == "__main__":
    sys.exit(main())
