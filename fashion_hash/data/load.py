"""One door to every data format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fashion_hash.data.dataset import Dataset
from fashion_hash.data.formats.iqon import SLOTS as IQON_SLOTS
from fashion_hash.data.formats.iqon import read_iqon3000
from fashion_hash.data.formats.polyvore import read_polyvore_u
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import ConfigError, suggest

FORMATS = ("polyvore_u", "iqon3000")


def load_dataset(
    format: str,
    root: str | Path,
    *,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
) -> Dataset:
    """Reads a data set into memory; pictures and text vectors stay on disk.

    Args:
        format: "polyvore_u" or "iqon3000".
        root: the folder of the data set.
        subset: polyvore_u: "tuples_630" or "630"; may be left out when there is only one.
        slots: polyvore_u without header lines: the item type of each column.
        report: called with each fault of the files; the default raises the first.

    Raises:
        ConfigError: no such format, or an argument that the format does not know.
        DataError: a file is missing or broken; the message names file and line.
    """
    if format == "polyvore_u":
        return read_polyvore_u(root, subset, slots, report)
    elif format == "iqon3000":
        if subset is not None:
            raise ConfigError(f"iqon3000 has no subsets: leave out subset {subset!r}")
        if slots is not None and tuple(slots) != IQON_SLOTS:
            raise ConfigError(f"the slots of iqon3000 are {list(IQON_SLOTS)}, not {list(slots)}")
        return read_iqon3000(root, report)
    raise ConfigError(f"unknown data format {format!r}{suggest(format, FORMATS)}; known: {', '.join(FORMATS)}")
