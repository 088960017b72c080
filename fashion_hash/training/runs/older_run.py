"""An older run makes way for a new one of the same name, while services go on answering from its bundle.

The files of the older run move to NAME.old-1, NAME.old-2, ...; bundles stay where they are. The older run is whole in
one of the two folders at any time: its files first get a second name, as hard links, and then lose the first one. A
process that is killed meanwhile leaves a folder that the next training goes on with.

What --with-live trains on lies beside the runs in NAME.live-1, NAME.live-2, ..., and is needed by the runs that were
trained on it. `remove_older` keeps some of the older runs and what they need.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from pathlib import Path

from fashion_hash.config.experiment import Config, load_experiment
from fashion_hash.core.files import atomic_folder, sweep, sync_folder
from fashion_hash.core.manifest import CURRENT, GENERATIONS, MANIFEST
from fashion_hash.errors import ConfigError

SUPPRESSED = "suppressed.json"
"""The list of removed users that `fashion-hash forget` writes; it holds for the next run as well."""


def set_aside(path: Path) -> Path:
    """Clears a run folder, except for its bundles and its configuration, which the caller replaces.

    Args:
        path: the run folder, held by the caller (core.locks.hold).

    Returns:
        The folder of the older run.
    """
    entries = [entry for entry in path.iterdir() if not stays(entry)]
    older = numbered(path, "old")
    aside = path.with_name(f"{path.name}.old-{1 + max(older, default=0)}")
    sweep(path.parent, aside.name)
    if older and all(_is_in(entry, older[max(older)] / entry.name) for entry in entries):
        aside = older[max(older)]  # a killed process came as far as this
    else:
        with atomic_folder(aside) as temporary:
            for entry in (*entries, path / SUPPRESSED):
                _link(entry, temporary / entry.name)
    # without last.safetensors there is no run to be opened or resumed
    for entry in sorted(entries, key=lambda entry: entry.name != "last.safetensors"):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != "config.yaml":
            entry.unlink()
    sync_folder(path)
    return aside


def remove_older(path: Path, keep: int) -> list[Path]:
    """Removes all but the newest older runs of a name, and live tables that none of the others was trained on.

    Args:
        path: the run folder, whose run is finished.
        keep: how many older runs stay.

    Returns:
        The folders that are gone; none of the tables if a configuration that stays cannot be read.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.removed.partial"):  # a killed process left it
        shutil.rmtree(left)
    older = numbered(path, "old")
    numbers = sorted(older)
    kept = [path, *(older[number] for number in numbers[len(numbers) - min(keep, len(numbers)) :])]
    gone = [folder for _, folder in sorted(older.items()) if folder not in kept and _is_run(folder)]
    try:
        files = [folder / "config.yaml" for folder in {*kept, *older.values()} - {*gone}]
        configs = [load_experiment(file) for file in files if file.is_file()]
    except (ConfigError, OSError):
        configs = []
    # by name: the path in a configuration is relative to wherever that training was started
    needed = {Path(str(config.data.live)).name for config in configs if isinstance(config, Config)}
    if configs:
        gone += [
            folder
            for _, folder in sorted(numbered(path, "live").items())
            if folder.name not in needed and (folder / "about.json").is_file()
        ]
    for folder in gone:
        aside = folder.with_name(f".{folder.name}.removed.partial")
        os.replace(folder, aside)  # whole or gone, whenever this process ends
        shutil.rmtree(aside)
    return gone


def numbered(path: Path, kind: str) -> dict[int, Path]:
    """The folders NAME.KIND-1, NAME.KIND-2, ... beside a run, by number."""
    pattern = re.compile(re.escape(path.name) + rf"\.{kind}-([0-9]+)")
    named = ((pattern.fullmatch(folder.name), folder) for folder in path.parent.iterdir() if folder.is_dir())
    return {int(match[1]): folder for match, folder in named if match}


def _is_run(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("config.yaml", "last.safetensors"))


def stays(entry: Path) -> bool:
    """Whether a file or folder in a run folder belongs to bundles: to their locks, or to one that is being built."""
    if entry.name.startswith(".") or entry.name == SUPPRESSED:
        return True
    return any((entry / name).exists() for name in (CURRENT, GENERATIONS, MANIFEST))


def _is_in(entry: Path, other: Path) -> bool:
    """Whether each file of an entry has its second name already."""
    files = [file for file in entry.rglob("*") if file.is_file()] if entry.is_dir() else [entry]
    linked = ((file, other / file.relative_to(entry)) for file in files)
    return all(file.exists() and link.exists() and file.samefile(link) for file, link in linked)


def _link(source: Path, target: Path) -> None:
    """A second name for a file or for all files of a folder; a copy where the file system has no hard links."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, copy_function=_link_file)
    elif os.path.lexists(source):
        _link_file(source, target)


def _link_file(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):  # no hard links here, or not of symbolic links
        shutil.copy2(source, target, follow_symlinks=False)
