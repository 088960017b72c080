"""An open pool index; fashion_hash.index.build writes it and lists its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.arrays import check_rows, open_array
from fashion_hash.core.ids import IdTable
from fashion_hash.core.manifest import read_manifest
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError

FORMAT = "fashion_hash pool index"
FORMAT_VERSION = 1
FOLDER = "index"
CHUNK = 1 << 14


class Pool:
    """An open pool index. Its arrays are read-only memory maps of the files that index/build.py lists."""

    def __init__(self, path: Path, manifest: dict[str, Any], bundle: Bundle) -> None:
        self.path = path
        self.manifest = manifest
        self.ids = IdTable.open("outfit", path, "ids")
        sizes = {
            "N": len(self.ids),
            "S": len(bundle.slots),
            "U": len(bundle.users),
            "D": bundle.num_bits,
            "W": bundle.num_bits // 8,
        }

        def array(name: str, variant: str = "") -> np.ndarray:
            return open_array(path / name, f"index/{name}{variant}", **sizes)

        self.items = array("outfits.npy")
        for slot, item_type in enumerate(bundle.slots):
            check_rows(path / "outfits.npy", self.items[:, slot], EMPTY, len(bundle.items[item_type]))
        self.compatibility = array("compatibility.npy")
        self.bias = array("bias.npy")
        self.num_items = array("num_items.npy")
        self.num_pairs = array("num_pairs.npy")
        # rows of the outfits' own codes, EMPTY for none
        self.own: np.ndarray = np.broadcast_to(np.int32(EMPTY), len(self.items))
        if bundle.own is not None:
            self.own = array("own.npy")
            check_rows(path / "own.npy", self.own, EMPTY, len(bundle.own.items))
        # see Scoring.outfit_vectors; (N, 0) if scores need none
        self.vectors = np.zeros((len(self.items), 0), dtype=np.float32)
        if (path / "vectors.npy").exists():
            bits = bundle.encoder is not None and bundle.encoder.output == "bits"
            self.vectors = array("vectors.npy", " of bits" if bits else " of floats")
        self._liked_offsets = array("liked.offsets.npy")
        sizes["L"] = int(self._liked_offsets[-1])
        self._liked_rows = array("liked.rows.npy")
        check_rows(path / "liked.rows.npy", self._liked_rows, 0, len(self.ids))
        if self._liked_offsets[0] or (np.diff(self._liked_offsets) < 0).any():
            raise BundleError(f"{path / 'liked.offsets.npy'} is out of order: build the index again")

    @classmethod
    def open(cls, bundle: Bundle, *, verify: bool = True, path: Path | None = None) -> Pool:
        """Opens the index of a bundle, by default the one in its folder.

        Raises:
            BundleError: there is no index, it was built from another bundle, or a file was changed.
        """
        path = bundle.path / FOLDER if path is None else path
        if not path.exists():
            raise BundleError(f"{bundle.path} has no pool index: build it with `fashion-hash build-index`")
        manifest = read_manifest(path, FORMAT, FORMAT_VERSION, verify=verify)
        if manifest["bundle"] != bundle.fingerprint:
            raise BundleError(
                f"{path} was built from bundle {manifest['bundle']}, but {bundle.path} is bundle "
                f"{bundle.fingerprint}: build it again with `fashion-hash build-index`"
            )
        return cls(path, manifest, bundle)

    def __len__(self) -> int:
        return len(self.items)

    def liked(self, user_row: int) -> np.ndarray:
        """The rows of the outfits that a user is known to like: ascending, int64."""
        start, stop = self._liked_offsets[user_row : user_row + 2].tolist()
        return self._liked_rows[start:stop].astype(np.int64)
