"""The codes that outfits have of their own, beside those of their items: `OWN` of a bundle (section `outfit`).

    codes/own.codes.npy    (K, D/8) uint8   packed, a code for each outfit of the training split
    codes/own.items.npy    (K, S) int32     the items of each: what an index finds its outfits by
    codes/own.bias.npy     (K,) int32       what each adds to the score of its outfit, fixed point
    codes/own.weights.npy  (D,) int32       weights of the bits of user and own code, fixed point

A bundle without these files has no own codes. An outfit is its items here: the code belongs to every outfit of the
pool that has the same ones (`canonical_items`). index/exact.py says what it adds to a score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_hash.core.arrays import check_rows, open_array
from fashion_hash.core.codes import Packed, fixed_point, pack
from fashion_hash.core.outfits import EMPTY, rows_of_same
from fashion_hash.errors import BundleError

FILES = ("codes", "items", "bias", "weights")


@dataclass(frozen=True)
class OwnContents:
    """Own codes as a trained model hands them over: K outfits of S slots, D bits.

    Attributes:
        items: (K, S) rows, EMPTY for an empty slot; distinct outfits.
        codes: (K, D) of -1 / +1.
        bias: (K,) real.
        weights: (D,) real.
    """

    items: np.ndarray
    codes: np.ndarray
    bias: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class OwnCodes:
    """Own codes as a bundle holds them; the module docstring gives shapes and dtypes."""

    items: np.ndarray
    codes: Packed
    bias: np.ndarray
    weights: np.ndarray

    def rows_of(self, slots: tuple[str, ...], items: np.ndarray) -> np.ndarray:
        """The row of the own code of each outfit, (N, S) rows of items: (N,) int32, EMPTY where it has none."""
        return rows_of_same(slots, self.items, items).astype(np.int32)


def write_own(folder: Path, own: OwnContents) -> None:
    """Writes the files into the folder of the bundle's codes."""
    np.save(folder / "own.codes.npy", pack(own.codes))
    np.save(folder / "own.items.npy", own.items.astype(np.int32))
    np.save(folder / "own.bias.npy", fixed_point(own.bias))
    np.save(folder / "own.weights.npy", fixed_point(own.weights))


def read_own(folder: Path, slots: tuple[str, ...], num_bits: int, sizes: Mapping[str, int]) -> OwnCodes | None:
    """Opens the files in the folder of a bundle's codes; None for a bundle without own codes.

    Args:
        folder: the folder.
        slots: of the bundle.
        num_bits: D.
        sizes: how many items each type has.

    Raises:
        BundleError: some of the files are missing, or they do not fit the bundle.
    """
    there = [(folder / f"own.{name}.npy").is_file() for name in FILES]
    if not any(there):
        return None
    if not all(there):
        raise BundleError(
            f"{folder} has no own.{FILES[there.index(False)]}.npy, but other files of own codes: export it again"
        )
    items = open_array(folder / "own.items.npy", "codes/own.items.npy", S=len(slots))
    for slot, item_type in enumerate(slots):
        check_rows(folder / "own.items.npy", items[:, slot], EMPTY, sizes[item_type])
    codes, bias, weights = (
        open_array(folder / f"own.{name}.npy", f"codes/own.{name}.npy", K=len(items), D=num_bits, W=num_bits // 8)
        for name in ("codes", "bias", "weights")
    )
    return OwnCodes(items, codes, bias, weights)


def check_own(own: OwnContents, slots: tuple[str, ...], num_bits: int, sizes: Mapping[str, int]) -> None:
    """Raises BundleError when own codes do not fit a bundle of these slots, bits and items."""
    count = len(own.items)
    shapes = {
        "items": (count, len(slots)),
        "codes": (count, num_bits),
        "bias": (count,),
        "weights": (num_bits,),
    }
    for name, shape in shapes.items():
        if np.shape(getattr(own, name)) != shape:
            raise BundleError(f"own.{name} has shape {np.shape(getattr(own, name))}, expected {shape}")
    if not (np.abs(own.codes) == 1).all():
        raise BundleError("own.codes has values other than -1 and +1: binarise the relaxed codes first")
    for name in ("bias", "weights"):
        if not (np.abs(getattr(own, name)) < 2**15).all():
            raise BundleError(f"own.{name} has a value that is not finite or not between -32768 and 32768")
    for slot, item_type in enumerate(slots):
        rows = own.items[:, slot]
        if len(rows) and not EMPTY <= rows.min() <= rows.max() < sizes[item_type]:
            raise BundleError(
                f"own.items has rows {rows.min()} to {rows.max()} of {item_type}, but the bundle has "
                f"{sizes[item_type]} of them"
            )
