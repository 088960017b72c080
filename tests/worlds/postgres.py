"""A PostgreSQL server of the tests' own: in a folder of its own, on a socket, without a disk to wait for."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where PostgreSQL is not installed, or nobody may run it."""
    if os.name == "nt":
        return None
    if os.geteuid() == 0 and subprocess.run(["id", "postgres"], capture_output=True).returncode:
        return None  # a server refuses to run as root
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    there = [folder for folder in folders if (folder / "initdb").is_file()]
    return there[-1] if there and shutil.which("psql") else None


class Server:
    """A running server; its files and its socket lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._command = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", str(folder), "-U", "postgres"]

    def run(self, file: str, cwd: Path, *options: str) -> None:
        """Runs a file of SQL by psql."""
        command = [*self._command, "-q", "-f", file, *options]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def ask(self, schema: str, *queries: str) -> list[list[list[str]]]:
        """The rows of the answers to queries over the tables of a schema."""
        text = "".join(f"\\echo --\n{query};\n" for query in (f"SET search_path TO {schema}", *queries))
        done = subprocess.run([*self._command, "-q", "-t", "--csv"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [list(csv.reader(answer.splitlines())) for answer in done.stdout.split("--\n")[2:]]


@contextmanager
def postgres(bin_folder: Path) -> Iterator[Server]:
    """Starts a server and ends it."""
    folder = Path(tempfile.mkdtemp(prefix="fashion_hash_pg_"))  # a short name: a socket allows no long one
    owner = {"user": "postgres", "cwd": folder} if os.geteuid() == 0 else {"cwd": folder}
    try:
        if owner.get("user"):
            shutil.chown(folder, "postgres")
        made = ["-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run([bin_folder / "initdb", *made], check=True, capture_output=True, **owner)
        control = [bin_folder / "pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "log")]
        settings = f"-c listen_addresses='' -k {folder} -c fsync=off"
        subprocess.run([*control, "-o", settings, "start"], check=True, stdout=subprocess.DEVNULL, **owner)
        try:
            yield Server(folder)
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, **owner)
    finally:
        shutil.rmtree(folder)
