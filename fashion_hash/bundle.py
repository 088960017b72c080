"""The bundle: the folder in which the learning half hands its bits to the answering half.

    bundle/
      manifest.json                   format version, model, fingerprint, checksum of every file
      ids/users.*.npy                 user ids            (IdTable)
      ids/items.TYPE.*.npy            item ids of a type  (IdTable)
      codes/users.npy                 (U, D/8) uint8      packed user codes
      codes/items.TYPE.npy            (N, M, D/8) uint8   packed item codes, one a modality
      codes/bias.TYPE.npy             (N,) int32          item bias, fixed point
      codes/preference_weights.npy    (D,) int32          weights of the user-item bits, fixed point
      codes/compatibility_weights.npy (D,) int32          weights of the item-item bits, fixed point
      history/users.npy, items.npy    (L,), (L, S) int32  known positives: who liked which outfit
      catalogue.sqlite                title, details and picture of every item
      index/                          written by build_index, with a manifest of its own

A bundle answers alone: no training data, no configuration, no torch. Arrays are memory-mapped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.catalogue import Catalogue, write_catalogue
from fashion_hash.codes import WEIGHT_STEP_BITS, check_num_bits, fixed_point, pack
from fashion_hash.data.outfits import Outfits, check_slots, item_types
from fashion_hash.errors import BundleError
from fashion_hash.files import atomic_folder, sha256, write_json
from fashion_hash.ids import IdTable

FORMAT = "fashion_hash bundle"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class BundleContents:
    """What a trained model hands over; `write_bundle` turns it into a folder.

    Attributes:
        name: of the run, for people.
        slots: item type of each slot.
        modalities: names of the M modalities, in the order of the item codes.
        users, items: ids in row order (items by type).
        user_codes: (U, D) of -1 / +1.
        item_codes: by type, (N, M, D) of -1 / +1.
        item_bias: by type, (N,) real; zeros when the model has none.
        preference_weights, compatibility_weights: (D,) real.
        preference_scale, compatibility_scale: whole numbers, 10 and 10 (20 and 0 for one term alone).
        repeat_empty: an empty slot repeats the first item of its type, as the FHN release does.
        history: known positives of the users (liked outfits).
        details: by type and item id, "title" and further columns.
        pictures: by type and item id, encoded JPEG or PNG bytes; may lack items.
        model: what is worth knowing of the model (variant, training run), for people.
    """

    name: str
    slots: tuple[str, ...]
    modalities: tuple[str, ...]
    users: tuple[str, ...]
    items: Mapping[str, tuple[str, ...]]
    user_codes: np.ndarray
    item_codes: Mapping[str, np.ndarray]
    item_bias: Mapping[str, np.ndarray]
    preference_weights: np.ndarray
    compatibility_weights: np.ndarray
    preference_scale: int
    compatibility_scale: int
    repeat_empty: bool
    history: Outfits
    details: Mapping[str, Mapping[str, Mapping[str, Any]]]
    pictures: Mapping[str, Mapping[str, bytes]]
    model: Mapping[str, Any]


def write_bundle(path: str | Path, contents: BundleContents) -> Bundle:
    """Writes the bundle folder, replacing an older one in one step, and opens it."""
    num_bits = check_num_bits(contents.user_codes.shape[-1])
    with atomic_folder(path) as folder:
        (folder / "codes").mkdir()
        (folder / "history").mkdir()
        IdTable.of("user", contents.users).save(folder / "ids", "users")
        np.save(folder / "codes/users.npy", pack(contents.user_codes))
        np.save(folder / "codes/preference_weights.npy", fixed_point(contents.preference_weights))
        np.save(folder / "codes/compatibility_weights.npy", fixed_point(contents.compatibility_weights))
        for kind in item_types(contents.slots):
            IdTable.of(kind, contents.items[kind]).save(folder / "ids", f"items.{kind}")
            np.save(folder / f"codes/items.{kind}.npy", pack(contents.item_codes[kind]))
            np.save(folder / f"codes/bias.{kind}.npy", fixed_point(contents.item_bias[kind]))
        np.save(folder / "history/users.npy", contents.history.users)
        np.save(folder / "history/items.npy", contents.history.items)
        write_catalogue(folder / "catalogue.sqlite", contents.items, contents.details, contents.pictures)
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": contents.name,
            "slots": list(contents.slots),
            "modalities": list(contents.modalities),
            "num_bits": num_bits,
            "weight_step_bits": WEIGHT_STEP_BITS,
            "preference_scale": contents.preference_scale,
            "compatibility_scale": contents.compatibility_scale,
            "repeat_empty": contents.repeat_empty,
            "model": dict(contents.model),
        }
        seal(folder, manifest)
    return Bundle.open(path)


def seal(folder: Path, manifest: dict[str, Any]) -> None:
    """Adds size and checksum of every file and a fingerprint over all, and writes manifest.json."""
    files = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    sealed = {**manifest, "files": files}
    fingerprint = hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()[:16]
    write_json(folder / "manifest.json", {**sealed, "fingerprint": fingerprint})


def read_manifest(folder: Path, what: str, version: int, *, verify: bool) -> dict[str, Any]:
    """Reads and checks a manifest written by `seal`.

    Args:
        what: its "format", such as "fashion_hash bundle".
        version: the format version that this program reads.
        verify: also compare the checksum of every file (sizes are always compared).

    Raises:
        BundleError: no manifest, other format or version, or a file that is missing or changed.
    """
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{folder} is no {what}: it has no manifest.json") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is not readable JSON ({error}): write it again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != what:
        raise BundleError(f"{path} does not describe a {what}")
    if manifest.get("format_version") != version:
        raise BundleError(
            f"{path} has format version {manifest.get('format_version')}, this program reads version "
            f"{version}: export it again with tools/build_index.py"
        )
    fingerprint = manifest.pop("fingerprint", None)
    if hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16] != fingerprint:
        raise BundleError(f"{path} was changed after it was written: export it again")
    for name, facts in manifest["files"].items():
        file = folder / name
        if not file.is_file():
            raise BundleError(f"{file} is missing: export the {what} again")
        if file.stat().st_size != facts["bytes"]:
            raise BundleError(f"{file} has {file.stat().st_size} bytes instead of {facts['bytes']}: export it again")
        if verify and sha256(file) != facts["sha256"]:
            raise BundleError(f"{file} does not match its checksum, its bytes were changed: export it again")
    return {**manifest, "fingerprint": fingerprint}


class Bundle:
    """An open bundle. Arrays are read-only maps of the files; see the module's text for shapes."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.fingerprint: str = manifest["fingerprint"]
        self.slots = check_slots(manifest["slots"])
        self.types = item_types(self.slots)
        self.modalities = tuple(manifest["modalities"])
        self.num_bits: int = manifest["num_bits"]
        self.preference_scale: int = manifest["preference_scale"]
        self.compatibility_scale: int = manifest["compatibility_scale"]
        self.repeat_empty: bool = manifest["repeat_empty"]
        self.users = IdTable.open("user", path / "ids", "users")
        self.items = {kind: IdTable.open(kind, path / "ids", f"items.{kind}") for kind in self.types}
        self.user_codes = self._array("codes/users.npy")
        self.item_codes = {kind: self._array(f"codes/items.{kind}.npy") for kind in self.types}
        self.item_bias = {kind: self._array(f"codes/bias.{kind}.npy") for kind in self.types}
        self.preference_weights = self._array("codes/preference_weights.npy")
        self.compatibility_weights = self._array("codes/compatibility_weights.npy")
        self.history = Outfits(self.slots, self._array("history/users.npy"), self._array("history/items.npy"))

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = True) -> Bundle:
        """Opens a bundle folder.

        Args:
            path: the folder.
            verify: compare the checksum of every file; False compares sizes only (milliseconds).

        Raises:
            BundleError: not a bundle, another version, or a file that is missing or changed.
        """
        path = Path(path)
        return cls(path, read_manifest(path, FORMAT, FORMAT_VERSION, verify=verify))

    @cached_property
    def catalogue(self) -> Catalogue:
        """Titles, details and pictures of the items."""
        return Catalogue(self.path / "catalogue.sqlite")

    def _array(self, name: str) -> np.ndarray:
        return np.load(self.path / name, mmap_mode="r", allow_pickle=False)
