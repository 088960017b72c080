"""What the log holds of outfits and items: numbers of fixed length, in the dtypes of numpy."""

from __future__ import annotations

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.outfits import EMPTY
from fashion_hash.index.outfit_terms import outfit_terms
from fashion_hash.index.scoring import scoring_of


def outfit_record(bundle: Bundle) -> np.dtype:
    """The dtype of an outfit in the log: its items and terms; its vector as stored, or the row of its own code."""
    vector = scoring_of(bundle).outfit_vectors(np.zeros((0, len(bundle.slots)), dtype=np.int32))
    own = [] if bundle.own is None else [("own", "<i4")]
    return np.dtype(
        [
            ("items", "<i4", (len(bundle.slots),)),
            ("compatibility", "<i8"),
            ("bias", "<i8"),
            ("num_items", "u1"),
            ("num_pairs", "u1"),
            ("vector", vector.dtype.newbyteorder("<"), vector.shape[1:]),
            *own,
        ]
    )


def outfit_records(bundle: Bundle, items: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
    """Outfits as the log holds them, (N,) of `outfit_record`.

    Args:
        bundle: the codes of the items.
        items: (N, S) rows of items.
        own: (N,) rows of own codes, EMPTY for none; None for outfits that have none, as new ones do.
    """
    records = np.zeros(len(items), dtype=outfit_record(bundle))
    records["items"] = items
    records["vector"] = scoring_of(bundle).outfit_vectors(items)
    for name, column in outfit_terms(bundle, items, own)._asdict().items():
        records[name] = column
    if bundle.own is not None:
        records["own"] = EMPTY if own is None else own
    return records


def own_rows(records: np.ndarray) -> np.ndarray:
    """The rows of own codes in records of outfits: (N,) int32, EMPTY for none."""
    if "own" in (records.dtype.names or ()):
        return np.asarray(records["own"])
    return np.full(len(records), EMPTY, dtype=np.int32)


def item_record(bundle: Bundle) -> np.dtype:
    """The dtype of an item in the log: its codes and bias, and for an outfit encoder its token and vector."""
    code = len(bundle.modalities), bundle.num_bits // 8
    return np.dtype([("code", "u1", code), ("bias", "<i4"), ("encoded", "<f4", (scoring_of(bundle).item_width,))])


def update_record(bundle: Bundle) -> np.dtype:
    """The dtype of a later code of an item in the log: its row, then as item_record."""
    return np.dtype([("row", "<i8"), *item_record(bundle).descr])
