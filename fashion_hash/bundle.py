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
      heads/                          how an item that arrives later gets its code (fashion_hash.heads)
      requests/                       how words and taste become a query (fashion_hash.request_contents)
                                      (TYPE is percent-encoded where it would be no file name)
      encoder/                        of an outfit encoder: how outfits are scored (fashion_hash.outfit_encoder)
      index/                          written by build_index, with a manifest of its own
      live/                           changes made after the export (fashion_hash.live)

A bundle answers alone: no training data, no configuration, no torch. Arrays are memory-mapped.

The manifest's "answers" says how exact they are, by what is asked:

    "exact"                    the best by the model's score, all outfits compared
    "exact, outfit vectors"    likewise, by the nearness of every outfit's vector to the user's
    "exact, outfit codes"      likewise, by Hamming distance between an outfit's code and the user's
    "shortlist and re-rank"    the score does not fall apart into items and pairs: outfits that are good by
                               the mean of their items' own scores are encoded, and the best of these answered

FHN is exact everywhere. Of an outfit encoder the pool ("pool", and "score" and "explain" of any outfit) is
exact, "compose" and "complete" are shortlist and re-rank; its codes are the signs of users' vectors and of
outfits of one item each, for shortlists, varied lists and similar items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fashion_hash.catalogue import Catalogue, write_catalogue
from fashion_hash.codes import WEIGHT_STEP_BITS, check_num_bits, fixed_point, pack
from fashion_hash.data.outfits import EMPTY, Outfits, check_slots, item_types, slot_names, slot_pairs
from fashion_hash.errors import BundleError
from fashion_hash.files import atomic_folder
from fashion_hash.heads import Heads, write_heads
from fashion_hash.ids import IdTable, read_array
from fashion_hash.manifest import read_manifest, seal
from fashion_hash.outfit_encoder import EncoderContents, OutfitEncoder, read_encoded, read_encoder, write_encoder
from fashion_hash.request_contents import RequestContents, write_requests
from fashion_hash.request_tower import RequestTower

FORMAT = "fashion_hash bundle"
FORMAT_VERSION = 1
LIVING = "live"
EXACT = dict.fromkeys(("pool", "score", "explain", "compose", "complete"), "exact")
RE_RANKED = "shortlist and re-rank"


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
        heads: the hash heads of each modality, for items that arrive later; may be none.
        requests: the request model over these items and users; None when there is none.
        encoder: of an outfit encoder; the codes above are then those of its users and single items.
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
    heads: Mapping[str, Heads] = field(default_factory=dict)
    requests: RequestContents | None = None
    encoder: EncoderContents | None = None


def write_bundle(path: str | Path, contents: BundleContents) -> Bundle:
    """Writes the bundle folder, replacing an older one in one step, and opens it.

    Raises BundleError, and writes nothing, when the contents do not fit together.
    """
    _check(contents)
    if (living := Path(path) / LIVING).exists():
        raise BundleError(
            f"{living} holds changes that were made to bundle {_fingerprint(Path(path))}, and would be lost: "
            "export to another folder, or move it away first"
        )
    num_bits = check_num_bits(contents.user_codes.shape[-1])
    with atomic_folder(path) as folder:
        (folder / "codes").mkdir()
        (folder / "history").mkdir()
        IdTable.of("user", contents.users).save(folder / "ids", "users")
        np.save(folder / "codes/users.npy", pack(contents.user_codes))
        np.save(folder / "codes/preference_weights.npy", fixed_point(contents.preference_weights))
        np.save(folder / "codes/compatibility_weights.npy", fixed_point(contents.compatibility_weights))
        for kind in item_types(contents.slots):
            name = _file_name(kind)
            IdTable.of(kind, contents.items[kind]).save(folder / "ids", f"items.{name}")
            np.save(folder / f"codes/items.{name}.npy", pack(contents.item_codes[kind]))
            np.save(folder / f"codes/bias.{name}.npy", fixed_point(contents.item_bias[kind]))
        np.save(folder / "history/users.npy", contents.history.users)
        np.save(folder / "history/items.npy", contents.history.items)
        write_catalogue(folder / "catalogue.sqlite", contents.items, contents.details, contents.pictures)
        if contents.heads:
            width = num_bits if contents.encoder is None else contents.encoder.encoder.width
            write_heads(folder / "heads", item_types(contents.slots), width, contents.heads)
        if contents.encoder is not None:
            write_encoder(folder / "encoder", item_types(contents.slots), contents.encoder)
        if contents.requests is not None:
            write_requests(folder / "requests", contents.requests)
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": contents.name,
            "slots": list(contents.slots),
            "modalities": list(contents.modalities),
            "num_bits": num_bits,
            "weight_step_bits": WEIGHT_STEP_BITS,
            "preference_scale": int(contents.preference_scale),
            "compatibility_scale": int(contents.compatibility_scale),
            "repeat_empty": bool(contents.repeat_empty),
            "model": dict(contents.model),
            "answers": _answers(contents),
        }
        seal(folder, manifest)
    return Bundle.open(path)


def _answers(contents: BundleContents) -> dict[str, str]:
    """How exact answers are, by what is asked; see the module's text."""
    if contents.encoder is None:
        return EXACT
    pool = "exact, outfit codes" if contents.encoder.encoder.output == "bits" else "exact, outfit vectors"
    return {**dict.fromkeys(("pool", "score", "explain"), pool), "compose": RE_RANKED, "complete": RE_RANKED}


def _fingerprint(folder: Path) -> str:
    return str(read_manifest(folder, FORMAT, FORMAT_VERSION, verify=False)["fingerprint"])


def _file_name(kind: str) -> str:
    """An item type as part of a file name: "jeans/denim" must not become a folder."""
    return quote(kind, safe=" ")


def _check(contents: BundleContents) -> None:
    """Shapes, values and rows fit together, and every score is exact in a float64."""
    kinds, num_slots = item_types(check_slots(contents.slots)), len(contents.slots)
    num_bits, num_modalities = contents.user_codes.shape[-1], len(contents.modalities)
    codes: list[tuple[str, np.ndarray, tuple[int, ...]]] = [
        ("user_codes", contents.user_codes, (len(contents.users), num_bits))
    ]
    weights: list[tuple[str, np.ndarray, tuple[int, ...]]] = [
        ("preference_weights", contents.preference_weights, (num_bits,)),
        ("compatibility_weights", contents.compatibility_weights, (num_bits,)),
    ]
    by_type = {"items": contents.items, "item_codes": contents.item_codes, "item_bias": contents.item_bias}
    for name, table in by_type.items():
        if missing := [kind for kind in kinds if kind not in table]:
            raise BundleError(f"{name} has no entry for item type {missing[0]!r}")
    for kind in kinds:
        size = len(contents.items[kind])
        codes.append((f"item_codes[{kind!r}]", contents.item_codes[kind], (size, num_modalities, num_bits)))
        weights.append((f"item_bias[{kind!r}]", contents.item_bias[kind], (size,)))
    for name, array, shape in codes + weights:
        if np.shape(array) != shape:
            raise BundleError(f"{name} has shape {np.shape(array)}, expected {shape}")
    for name, array, _ in codes:
        if not (np.abs(array) == 1).all():
            raise BundleError(f"{name} holds values other than -1 and +1: binarise the relaxed codes first")
    for name, array, _ in weights:
        if not (np.abs(array) < 2**15).all():
            raise BundleError(f"{name} holds a value that is not finite or beyond +-32768")

    if contents.encoder is not None:
        _check_encoder(contents, contents.encoder)
    elif contents.heads and tuple(contents.heads) != contents.modalities:
        raise BundleError(f"heads of {list(contents.heads)} in a bundle of {list(contents.modalities)}")
    if (requests := contents.requests) is not None:
        if requests.types != kinds:
            raise BundleError(f"requests over the types {list(requests.types)} in a bundle of {list(kinds)}")
        sizes = {kind: len(contents.items[kind]) for kind in kinds} | {"users": len(contents.users)}
        given = {kind: len(requests.item_outputs[kind]) for kind in kinds} | {"users": len(requests.user_known)}
        if sizes != given:
            raise BundleError(f"requests over {given} in a bundle of {sizes}: both must know the same items and users")
    if contents.history.slots != contents.slots:
        raise BundleError(f"history of slots {contents.history.slots} in a bundle of slots {contents.slots}")
    columns = [("users", contents.history.users, 0, len(contents.users))]
    for slot, kind in enumerate(contents.slots):
        columns.append((kind, contents.history.items[:, slot], EMPTY, len(contents.items[kind])))
    for name, rows, low, high in columns:
        if len(rows) and not low <= rows.min() <= rows.max() < high:
            raise BundleError(f"history names rows {rows.min()} to {rows.max()} of {high} {name}")

    scales = (contents.preference_scale, contents.compatibility_scale)
    if any(int(scale) != scale or scale < 0 for scale in scales):
        raise BundleError(f"preference and compatibility scales are whole numbers from 0 on, got {scales}")
    # the largest numerator of index/exact.py: below 2**53 a float64 holds it without rounding
    num_pairs = max(1, len(slot_pairs(contents.slots)))
    total = np.abs(fixed_point(contents.preference_weights).astype(np.int64)).sum() * scales[0]
    total += np.abs(fixed_point(contents.compatibility_weights).astype(np.int64)).sum() * scales[1]
    for kind in kinds:
        total += num_bits * int(np.abs(fixed_point(contents.item_bias[kind]).astype(np.int64)).max(initial=0))
    if int(total) * num_modalities * num_slots * num_pairs >= 2**53:
        raise BundleError("bit weights or item biases are too large for exact scores: has the training diverged?")


def _check_encoder(contents: BundleContents, encoder: EncoderContents) -> None:
    """The codes are those of the encoder; nothing is scored by them alone."""
    if contents.repeat_empty or contents.compatibility_scale:
        raise BundleError("an outfit encoder masks empty slots and has no compatibility: both are 0 in its bundle")
    given = {"user_codes": contents.user_codes, **contents.item_codes}
    for name, codes in {"user_codes": encoder.user_codes, **encoder.item_codes}.items():
        if not np.array_equal(given.get(name, ()), codes):
            raise BundleError(f"the codes of {name} are not those of the outfit encoder: take them of EncoderContents")


class Bundle:
    """An open bundle. Arrays are read-only maps of the files; see the module's text for shapes."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.fingerprint: str = manifest["fingerprint"]
        self.slots = check_slots(manifest["slots"])
        self.slot_names = slot_names(self.slots)
        self.types = item_types(self.slots)
        self.modalities = tuple(manifest["modalities"])
        self.num_bits: int = manifest["num_bits"]
        self.preference_scale: int = manifest["preference_scale"]
        self.compatibility_scale: int = manifest["compatibility_scale"]
        self.repeat_empty: bool = manifest["repeat_empty"]
        self.users = IdTable.open("user", path / "ids", "users")
        self.items = {kind: IdTable.open(kind, path / "ids", f"items.{_file_name(kind)}") for kind in self.types}
        self.user_codes = self._array("codes/users.npy")
        self.item_codes = {kind: self._array(f"codes/items.{_file_name(kind)}.npy") for kind in self.types}
        self.item_bias = {kind: self._array(f"codes/bias.{_file_name(kind)}.npy") for kind in self.types}
        self.preference_weights = self._array("codes/preference_weights.npy")
        self.compatibility_weights = self._array("codes/compatibility_weights.npy")
        self.answers: dict[str, str] = manifest.get("answers", EXACT)  # older ones are of FHN
        # of an outfit encoder; see fashion_hash.outfit_encoder for what these hold
        self.encoder: OutfitEncoder | None = None
        self.user_vectors: np.ndarray | None = None
        self.encoded_items: dict[str, np.ndarray] = {}
        if (path / "encoder").is_dir():
            self.encoder = read_encoder(path / "encoder")
            self.user_vectors, self.encoded_items = read_encoded(path / "encoder", self.types)
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
    def _lines(self) -> tuple[np.ndarray, np.ndarray]:
        """Lines of the history user by user, and where those of each user start."""
        order = np.argsort(self.history.users, kind="stable")
        return order, np.searchsorted(self.history.users[order], np.arange(len(self.users) + 1))

    def lines_of(self, user_row: int) -> np.ndarray:
        """The lines of the history that are a user's: ascending, int64."""
        order, starts = self._lines
        return order[starts[user_row] : starts[user_row + 1]]

    @property
    def tastes(self) -> np.ndarray:
        """What scores outfits for the users: packed codes, (U, D / 8) uint8; of an encoder vectors, (U, D) float32."""
        return self.user_codes if self.user_vectors is None else self.user_vectors

    @cached_property
    def catalogue(self) -> Catalogue:
        """Titles, details and pictures of the items."""
        return Catalogue(self.path / "catalogue.sqlite")

    @cached_property
    def requests(self) -> RequestTower | None:
        """The request model; None when the bundle was made without one."""
        folder = self.path / "requests"
        return RequestTower.open(folder) if folder.is_dir() else None

    def _array(self, name: str) -> np.ndarray:
        return read_array(self.path / name)
