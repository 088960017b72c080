"""What all commands do with what the operating system refuses, and with Ctrl-C."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_hash.commands.data import extract_features, make_sample
from fashion_hash.commands.run_command import run_command
from fashion_hash.core.files import atomic_path, write_text
from fashion_hash.errors import naming
from tests.paths import PROJECT


def end_of(command, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = run_command(argparse.ArgumentParser(), lambda _: command(), [])
    return status, capsys.readouterr().err


def test_a_full_disk_names_the_file_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fill() -> int:
        with naming(tmp_path / "sheet.png"), open("/dev/full", "wb", buffering=0) as stream:
            stream.write(b"x")
        return 0

    status, err = end_of(fill, capsys)
    assert status == 2
    assert err == (
        f"error: {tmp_path / 'sheet.png'}: no space left on the device: free some and run the command again; "
        "earlier files are intact\n"
    )


def test_a_temporary_name_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def onto_a_folder() -> int:
        with atomic_path(tmp_path) as temporary:
            temporary.write_text("x")
        return 0

    assert end_of(onto_a_folder, capsys) == (2, f"error: {tmp_path}: this is a folder: name a file\n")

    def inside_a_file() -> int:
        write_text("/dev/null/page.html", "x")
        return 0

    with pytest.raises(OSError, match="/dev/null") as raised, naming("/dev/null/page.html"):
        inside_a_file()
    assert ".partial" not in str(raised.value)
    status, err = end_of(inside_a_file, capsys)
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("error: /dev/null: this is a file, not a folder")


def test_other_errors_keep_their_own_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def read() -> int:
        with naming("elsewhere"):
            return len((tmp_path / "nowhere").read_bytes())

    assert end_of(read, capsys) == (2, f"error: {tmp_path / 'nowhere'}: No such file or directory\n")


@pytest.mark.parametrize("command", [make_sample, extract_features])
def test_ctrl_c_is_status_130(
    command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", interrupted)
    arguments = ["--out", str(tmp_path / "s")] if command is make_sample else ["a.yaml"]
    assert command.main(arguments) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_sample_that_cannot_be_written_names_its_folder(tmp_path: Path) -> None:
    """Files of at most 4 KiB: the writing of the first larger one fails, without saying of which file."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
        "from fashion_hash.commands.data.make_sample import main; sys.exit(main(sys.argv[1:]))"
    )
    sizes = ["--users", "2", "--items", "20", "--outfits-per-user", "10", "--no-pictures"]
    done = subprocess.run(
        [sys.executable, "-c", code, "--out", str(tmp_path / "s"), *sizes],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 2, done
    assert done.stderr.splitlines()[-1] == (
        f"error: {tmp_path / 's'}: File too large: the system limits the size of files (ulimit -f): "
        "raise the limit and try again"
    )
    assert not (tmp_path / "s").exists()
