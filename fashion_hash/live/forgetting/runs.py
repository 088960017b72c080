"""Erases removed users from what trainings wrote: the splits of runs, and the tables of live catalogues beside them.

Splits keep their rows, without the user, so that their runs can still be measured as long as the data is the same. Runs
that were trained on tables which lose a user cannot be exported any more: what they learned from is gone.
"""

from __future__ import annotations

from pathlib import Path

from fashion_hash.core.locks import hold
from fashion_hash.data.splits.files import blank_users
from fashion_hash.data.splits.removed_list import REMOVED_FILE, RemovedUsers
from fashion_hash.data.told.tables import ABOUT, read_about, read_told, write_told
from fashion_hash.errors import TrainingError

SPLIT_FILE = "split.csv"


def beside(run: Path) -> list[Path]:
    """The older runs of a run, and the tables of live catalogues that runs of its name were trained on."""
    return sorted(folder for kind in ("old", "live") for folder in run.parent.glob(f"{run.name}.{kind}-*"))


def erase_from_runs(run: Path, removed: RemovedUsers) -> list[Path]:
    """Erases users from the splits of a run and of older ones, and from live tables.

    Args:
        run: the run folder; nobody may be training into it.
        removed: the users.

    Returns:
        The live tables that lost a user.

    Raises:
        TrainingError: another process trains into the folder.
        DataError, BundleError: a file cannot be read.
    """
    with hold(run, "training into it", TrainingError):
        folders = [run, *beside(run)]
        for folder in folders:
            if (folder / SPLIT_FILE).is_file():
                blank_users(folder / SPLIT_FILE, removed)
        return [folder for folder in folders if (folder / ABOUT).is_file() and _erase_told(folder, removed)]


def _erase_told(folder: Path, removed: RemovedUsers) -> bool:
    told = read_told(folder)
    gone = [user_id for user_id in told.users if user_id in removed]
    for user_id in gone:
        del told.users[user_id]
    if gone:
        earlier = RemovedUsers.read(folder / REMOVED_FILE) if (folder / REMOVED_FILE).is_file() else RemovedUsers()
        write_told(folder, told, read_about(folder), RemovedUsers((*earlier.lists, *removed.lists)))
    return bool(gone)
