"""A crash or a full disk leaves the old file whole and nothing half-written beside it."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.arrays import array_writer
from fashion_hash.core.files import atomic_folder, atomic_path, reserve, sweep, write_json, write_text
from fashion_hash.core.locks import hold
from fashion_hash.data.stores.lmdb_files import open_writer
from fashion_hash.errors import DataError, TrainingError

# a limit on the size of files is as good as a full disk: the write fails in its middle
FULL_DISK = """
import resource, sys
from pathlib import Path
from fashion_hash.core.files import write_text

if any(name.endswith(".safetensors") for name in sys.argv[1:]):
    import torch
    from fashion_hash.training.runs.checkpoint import Checkpoint, save_checkpoint

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for path in map(Path, sys.argv[1:]):
    try:
        if path.suffix == ".txt":
            write_text(path, "x" * 100_000)
        else:
            save_checkpoint(path, Checkpoint({"w": torch.zeros(100_000)}, {}, {}))
    except OSError as error:
        print(path.name, error)
"""


@pytest.mark.parametrize("names", [["notes.txt"], pytest.param(["last.safetensors", "b.txt"], marks=pytest.mark.slow)])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path, names):
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [file.name for file in files]
    assert [file.read_text() for file in files] == ["old"] * len(files)
    assert set(tmp_path.iterdir()) == set(files)


def test_a_new_file_replaces_the_old_one_only_when_it_is_complete(tmp_path):
    path = tmp_path / "a" / "value.json"
    write_json(path, {"v": 1})
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert path.read_text() == '{\n  "v": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]
    write_text(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o444 == 0o444


def test_a_folder_takes_the_place_of_another_in_one_step(tmp_path):
    for text in ("one", "two"):
        with atomic_folder(tmp_path / "bundle") as folder:
            (folder / f"{text}.txt").write_text(text)
    assert [file.name for file in (tmp_path / "bundle").iterdir()] == ["two.txt"]
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "bundle") as folder:
        (folder / "three.txt").write_text(f"three {1 / 0}")
    assert [file.name for file in (tmp_path / "bundle").iterdir()] == ["two.txt"]
    assert [file.name for file in tmp_path.iterdir()] == ["bundle"]


def test_the_path_may_be_a_string(tmp_path):
    write_text(str(tmp_path / "x.txt"), "x")
    assert Path(tmp_path / "x.txt").read_text() == "x"


@pytest.mark.parametrize("when", ["before it is looked at", "while its files are removed"])
def test_a_sweep_beside_a_process_that_is_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Two processes start at once, and both remove the leftovers of a third."""
    half, file = tmp_path / ".bundle.abc.partial", tmp_path / ".bundle.def.partial"
    (half / "ids").mkdir(parents=True)
    (half / "ids/users.npy").write_bytes(b"half")
    file.write_bytes(b"half")
    rmtree, unlink = shutil.rmtree, os.unlink

    def removed_by_the_other(path: Path) -> None:
        rmtree(path, ignore_errors=True)
        file.unlink(missing_ok=True)
        rmtree(path)

    def unlinked_by_the_other(name: str, **options: int) -> None:
        unlink(name, **options)
        if str(name).endswith("users.npy"):
            unlink_by_the_other()

    def unlink_by_the_other() -> None:
        (half / "ids").rmdir()
        half.rmdir()

    if when.startswith("before"):
        monkeypatch.setattr(shutil, "rmtree", removed_by_the_other)
    else:
        monkeypatch.setattr(os, "unlink", unlinked_by_the_other)
    sweep(tmp_path, "bundle")
    assert not list(tmp_path.iterdir())


def test_space_is_reserved_and_content_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mapped"
    with open(path, "wb") as stream:
        stream.write(b"head")
        stream.truncate(100_000)  # a hole, as a mapped file has it
    before = path.stat().st_blocks
    reserve(path, 10)
    assert path.stat().st_size == 100_000
    assert path.read_bytes()[:6] == b"head\0\0"
    assert path.stat().st_blocks * 512 >= 100_000 > before * 512

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        reserve(path, 10)
    assert raised.value.filename == str(path)


def test_what_is_mapped_to_be_written_is_reserved_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the locks of an LMDB end in an error, not in a signal."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"lock\.mdb.*free some space"):
        open_writer(tmp_path / "store")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("rows", [3, 300_000])
def test_an_array_that_does_not_fit_on_the_disk_says_so(rows: int) -> None:
    with (
        pytest.raises(OSError, match="No space left on device"),
        array_writer(Path("/dev/full"), np.uint8, (rows, 4)) as write,
    ):
        write(np.zeros((rows, 4)))


def test_a_folder_that_a_link_names_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    for name, old in (("link", "disk/old"), ("dangling", "disk/new")):
        (tmp_path / name).symlink_to(tmp_path / old)
    (tmp_path / "disk/old").mkdir()
    (tmp_path / "disk/old/a").write_text("a")
    for name in ("link", "dangling"):
        with atomic_folder(tmp_path / name) as folder:
            (folder / "b").write_text("b")
        assert (tmp_path / name).is_symlink()
        assert [file.name for file in (tmp_path / name).iterdir()] == ["b"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dangling", "disk", "link"]
    assert sorted(file.name for file in (tmp_path / "disk").iterdir()) == ["new", "old"]


def test_a_file_in_the_place_of_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="this is a file, not a folder"), atomic_folder(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_root_of_a_file_system_is_not_held() -> None:
    with pytest.raises(TrainingError, match="is the root of a file system"), hold(Path("/"), "training", TrainingError):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_who_holds_a_folder_is_never_waited_for(tmp_path: Path) -> None:
    with hold(tmp_path / "run", "training into it", TrainingError):
        (tmp_path / ".run.holder").unlink()
        os.mkfifo(tmp_path / ".run.holder")
        with (
            pytest.raises(TrainingError, match="another process is training into it"),
            hold(tmp_path / "run", "training into it", TrainingError),
        ):
            pass


def test_a_file_that_is_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    """What it names is replaced, also where that does not exist yet; links in between stay as well."""
    (tmp_path / "site").mkdir()
    for name in ("page.html", "new.html"):
        target = tmp_path / "site" / name
        (tmp_path / f"by-{name}").symlink_to(Path("site") / name)
        (tmp_path / f"twice-{name}").symlink_to(f"by-{name}")
        if name == "page.html":
            target.write_text("old")
        for link in (f"by-{name}", f"twice-{name}"):
            write_text(tmp_path / link, link)
            assert (tmp_path / link).is_symlink()
            assert target.read_text() == link
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == ["new.html", "page.html"]
