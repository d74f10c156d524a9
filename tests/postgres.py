"""Runs a temporary PostgreSQL server on a free port, for example from Debian's `postgresql`."""

import glob
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from tests.ports import reserved_port

USER, DATABASE = "tfx", "metadata"
PATIENCE = 300  # seconds for the server to start and to stop


def binaries() -> Path | None:
    """Returns the folder of initdb and pg_ctl, or None if PostgreSQL is not installed."""
    on_path = shutil.which("initdb")
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return Path(on_path).parent if on_path else Path(folders[-1]) if folders else None


class Postgres:
    """A server with a database for ML Metadata; the constructor starts it."""

    def __init__(self) -> None:
        self.password = secrets.token_hex(8)
        self._held = ExitStack()
        self.port = self._held.enter_context(reserved_port())
        # Not below pytest's folder: PostgreSQL does not run as root, and only root can access it.
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        password = self.folder / "password"
        password.write_text(self.password)
        if os.getuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, "postgres", "postgres")
        self._call("initdb", "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}")
        self.start()
        with psycopg.connect(**self.connection | {"dbname": "postgres"}, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {DATABASE}")

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Postgres"]:
        """Runs a server for the duration of a `with` statement."""
        server = cls()
        try:
            yield server
        finally:
            server.remove()

    def remove(self) -> None:
        """Stops the server and removes its files."""
        self.stop()
        self._held.close()
        shutil.rmtree(self.folder)

    @property
    def connection(self) -> dict[str, str | int]:
        """Keyword arguments of psycopg.connect."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "password": self.password,
            "dbname": DATABASE,
        }

    @property
    def secret(self) -> dict[str, str]:
        """Content of the Secret from which pods read the connection."""
        return {
            "host": "127.0.0.1",
            "port": str(self.port),
            "user": USER,
            "password": self.password,
            "database": DATABASE,
        }

    def start(self) -> None:
        """Starts the server and waits until it accepts connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self._call("pg_ctl", "-w", "-t", str(PATIENCE), "-o", options, "-l", log, "start")

    def stop(self) -> None:
        """Stops the server without waiting for clients."""
        self._call("pg_ctl", "-w", "-t", str(PATIENCE), "-m", "fast", "stop")

    def _call(self, name: str, *arguments: str) -> None:
        folder = binaries()
        assert folder, "PostgreSQL is needed: apt-get install postgresql"
        root = os.getuid() == 0
        done = subprocess.run(
            [str(folder / name), "-D", str(self.folder / "data"), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **({"user": "postgres", "group": "postgres", "extra_groups": []} if root else {}),
        )
        assert done.returncode == 0, done.stdout
