"""Servers that the hub stands on, each with its own folder, that can be killed and started again."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

BUCKET = "footage"
KEY = "S3RVER"  # the only one that s3rver knows, its secret being the same
HERE = Path(__file__).parent


def sh(*command: str | Path, check: bool = True, given: str | None = None, **variables: str) -> str:
    words, environment = [str(part) for part in command], os.environ | variables
    done = subprocess.run(words, capture_output=True, text=True, input=given, env=environment)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


class Postgres:
    """A PostgreSQL of its own in ``folder``, on a socket there and nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs or shutil.which("runuser") is None:
            pytest.skip("PostgreSQL is missing: apt-get install postgresql")
        self._bin = programs[-1]
        shutil.chown(folder, "postgres")
        self._as_postgres("initdb", "-D", str(self.data), "-A", "trust", "-U", "hub", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://hub@/postgres?host={self.folder}"

    def _as_postgres(self, program: str, *words: str) -> None:
        sh("runuser", "-u", "postgres", "--", self._bin / program, *words)

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder}"
        log = str(self.folder / "log")
        try:
            self._as_postgres("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", options, "start")
        except AssertionError:
            pytest.fail(Path(log).read_text()[-2000:])

    def kill(self) -> None:
        """As if the power had gone: every process of it at once."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = sh("pgrep", "-P", str(pid), check=False).split()
        for each in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        time.sleep(0.2)
        # Where nobody buries the dead at once, their numbers look alive to the next start.
        for lock in (self.data / "postmaster.pid", *self.folder.glob(".s.PGSQL.*")):
            lock.unlink(missing_ok=True)

    def stop(self) -> None:
        with contextlib.suppress(AssertionError):
            self._as_postgres("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def query(self, sql: str) -> list[str]:
        text = sh("psql", "-h", str(self.folder), "-U", "hub", "-d", "postgres", "-At", "-c", sql)
        return text.splitlines()

    def dump(self, into: Path) -> None:
        sh("pg_dump", "-h", str(self.folder), "-U", "hub", "-d", "postgres", "-Fc", "-f", str(into))

    def restore(self, dump: Path) -> None:
        """Nothing but what was dumped."""
        self.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        sh("pg_restore", "-h", str(self.folder), "-U", "hub", "-d", "postgres", str(dump))


class Objects:
    """An S3 server whose objects are files. It has no tests' data in it but what is put there."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.program = _s3rver(root)
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, address: str, port: int) -> list[str | Path]:
        where = ("-d", self.folder, "-a", address, "-p", str(port), "--configure-bucket", BUCKET)
        return ["node", self.program, *where]


def _s3rver(root: Path) -> Path:
    """Installed once, from its lock, beside the other things that ``.venv`` holds."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("the S3 server of these tests needs node and npm")
    place = root / ".venv" / "s3"
    program = place / "node_modules" / "s3rver" / "bin" / "s3rver.js"
    lock = place / "package-lock.json"
    if not program.exists() or lock.read_bytes() != (HERE / "s3" / "package-lock.json").read_bytes():
        place.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "s3" / name, place / name)
        done = subprocess.run(["npm", "ci", "--silent"], cwd=place, capture_output=True, text=True)
        if done.returncode or not program.exists():
            pytest.skip(f"s3rver cannot be installed: {done.stderr[-300:]}")
    assert json.loads((place / "node_modules" / "s3rver" / "package.json").read_text())["version"]
    return program
