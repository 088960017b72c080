"""The users whom a training leaves out because they were removed from a bundle."""

from __future__ import annotations

from pathlib import Path

from fashion_hash.config.experiment import Config
from fashion_hash.config.requests import RequestConfig
from fashion_hash.data.splits.removed_list import REMOVED_FILE, RemovedUsers

LEFT_OUT_FILE = "left_out.json"


def removed_for(config: Config | RequestConfig, folder: str | Path | None = None) -> RemovedUsers:
    """The users whom a configuration leaves out: those of data.suppressed and of data.live.

    Args:
        config: the experiment.
        folder: the folder of a run, whose own list is taken if there is one: whoever was removed after the training
            was part of it.

    Raises:
        DataError: a list cannot be read.
    """
    if folder is not None and (Path(folder) / LEFT_OUT_FILE).is_file():
        return RemovedUsers.read(Path(folder) / LEFT_OUT_FILE)
    paths = [] if config.data.suppressed is None else [Path(config.data.suppressed)]
    live = config.data.live if isinstance(config, Config) else None
    if live is not None and (Path(live) / REMOVED_FILE).is_file():
        paths.append(Path(live) / REMOVED_FILE)
    return RemovedUsers.read(*paths)


def keep_removed(folder: Path, config: Config | RequestConfig, removed: RemovedUsers) -> None:
    """Writes the list into the folder of a run.

    data.suppressed may name a file in that folder, which went aside with the older run: then it is written again.
    """
    if not removed:
        return
    removed.write(folder / LEFT_OUT_FILE)
    if config.data.suppressed is not None and not Path(config.data.suppressed).exists():
        removed.write(Path(config.data.suppressed))
