"""Writes a bundle: what a trained model hands over, its checks, and the folder made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fashion_hash.bundle.bundle import (
    EXACT,
    FORMAT,
    FORMAT_VERSION,
    LIVE_FOLDER,
    RE_RANKED,
    Bundle,
    _file_name,
    has_changes,
)
from fashion_hash.bundle.catalogue import write_catalogue
from fashion_hash.bundle.generations import has_generations, latest, next_generation
from fashion_hash.bundle.own import OwnContents, check_own, write_own
from fashion_hash.core.codes import WEIGHT_STEP_BITS, UserForm, check_num_bits, fixed_point, pack, user_keys
from fashion_hash.core.files import atomic_folder
from fashion_hash.core.ids import IdTable
from fashion_hash.core.locks import hold
from fashion_hash.core.manifest import current_folder, read_manifest, seal
from fashion_hash.core.outfits import (
    EMPTY,
    SETS_REPEAT_NOTHING,
    Outfits,
    are_sets,
    check_slots,
    item_types,
    slot_pairs,
)
from fashion_hash.errors import BundleError, counted
from fashion_hash.inference.content_heads import Heads
from fashion_hash.inference.hash_heads import write_heads
from fashion_hash.inference.outfit_encoder import (
    EncoderContents,
    write_encoder,
)
from fashion_hash.inference.request_weights import RequestContents, write_requests

if TYPE_CHECKING:
    from fashion_hash.understanding.facts import RequestFacts


@dataclass(frozen=True)
class BundleContents:
    """What a trained model hands over; `write_bundle` turns it into a folder.

    Attributes:
        name: the name of the run, for readers.
        slots: item type of each slot.
        modalities: names of the M modalities, in the order of the item codes.
        users, items: ids in row order (items by type).
        user_codes: (U, D) of -1 / +1, or numbers from -1 to +1 in another form than bits.
        item_codes: by type, (N, M, D) of -1 / +1.
        item_bias: by type, (N,) real; zeros for a model without item bias.
        preference_weights, compatibility_weights: (D,) real.
        preference_scale, compatibility_scale: whole numbers, 10 and 10 (20 and 0 for one term alone).
        repeat_empty: an empty slot repeats the first item of its type, as the FHN release does.
        history: the users' known positives, the outfits they liked.
        details: by type and item id, "title" and further columns.
        pictures: by type and item id, encoded JPEG or PNG bytes; items may be missing.
        model: facts about the model for readers, such as its variant and training run.
        heads: by modality, the hash heads that code new items; empty for none.
        requests: the request model over these items and users, or None.
        encoder: the outfit encoder, or None; with one, the codes above are those of its users and single items.
        history_times: (L,) int64 Unix seconds, when each outfit of the history was liked (facts.NO_TIME where it is
            not known); None if that is known of none.
        users_known: (U,) bool, whose codes were trained; the others are answered as anonymous users. None for all.
        facts: what requests may say of the catalogue, for a bundle without a request model (which has its own); None
            for a bundle that answers no words.
        own: the codes that outfits have of their own; None for none.
        names: what the shop calls columns that have another name in the catalogue: {"Preis": "price"}.
        user_form: in which form the codes of users are kept.
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
    history_times: np.ndarray | None = None
    users_known: np.ndarray | None = None
    facts: RequestFacts | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    own: OwnContents | None = None
    user_form: UserForm = "bits"


def write_bundle(path: str | Path, contents: BundleContents) -> Bundle:
    """Writes a bundle folder, atomically replacing an older one, and opens it.

    In a folder of generations it writes the next one, which answers as soon as `build_index` has written its index.

    Raises:
        BundleError: the contents do not fit together, or the old folder holds live changes; nothing was written.
    """
    scoring = _scoring_contents(contents)
    _check(contents, scoring)
    check_unchanged(path)
    if has_generations(Path(path)):
        with hold(Path(path), "exporting the bundle", BundleError):
            with next_generation(Path(path)) as folder:
                _write(folder, contents, scoring)
            bundle = Bundle.open(latest(Path(path)))
        bundle.root = Path(path)
        return bundle
    with atomic_folder(path) as folder:
        _write(folder, contents, scoring)
    return Bundle.open(path)


def _write(folder: Path, contents: BundleContents, scoring: _ScoringContents) -> None:
    num_bits = check_num_bits(contents.user_codes.shape[-1])
    (folder / "codes").mkdir()
    (folder / "history").mkdir()
    IdTable.of("user", contents.users).save(folder / "ids", "users")
    np.save(folder / "codes/users.npy", user_keys(contents.user_form, contents.user_codes))
    np.save(folder / "codes/preference_weights.npy", fixed_point(contents.preference_weights))
    np.save(folder / "codes/compatibility_weights.npy", fixed_point(contents.compatibility_weights))
    for item_type in item_types(contents.slots):
        name = _file_name(item_type)
        IdTable.of(item_type, contents.items[item_type]).save(folder / "ids", f"items.{name}")
        np.save(folder / f"codes/items.{name}.npy", pack(contents.item_codes[item_type]))
        np.save(folder / f"codes/bias.{name}.npy", fixed_point(contents.item_bias[item_type]))
    if contents.users_known is not None:
        np.save(folder / "codes/users.known.npy", contents.users_known.astype(bool))
    if contents.own is not None:
        write_own(folder / "codes", contents.own)
    np.save(folder / "history/users.npy", contents.history.users)
    np.save(folder / "history/items.npy", contents.history.items)
    if contents.history_times is not None:
        np.save(folder / "history/times.npy", contents.history_times.astype(np.int64))
    write_catalogue(folder / "catalogue.sqlite", contents.items, contents.details, contents.pictures)
    if contents.heads:
        write_heads(folder / "heads", item_types(contents.slots), scoring.head_width, contents.heads)
    scoring.write(folder)
    if contents.requests is not None:
        write_requests(folder / "requests", contents.requests)
    elif contents.facts is not None:
        from fashion_hash.understanding.facts import write_facts  # scipy is only loaded where it is needed

        (folder / "requests").mkdir()
        write_facts(folder / "requests/facts", contents.facts)
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
        "answers": scoring.answers,
        **({} if contents.user_form == "bits" else {"user_code": contents.user_form}),
        **({"shop_names": dict(contents.names)} if contents.names else {}),
    }
    seal(folder, manifest)


def check_unchanged(path: str | Path) -> None:
    """Raises BundleError when live changes were made to the bundle at `path`: replacing it would lose them."""
    folder = current_folder(Path(path))
    if has_changes(folder):
        raise BundleError(
            f"{folder / LIVE_FOLDER} holds changes to bundle {_fingerprint(folder)} that would be lost: "
            "`fashion-hash build-index` carries them over to the new bundle; or export to another folder, or move "
            "them away first"
        )


def _fingerprint(folder: Path) -> str:
    return str(read_manifest(folder, FORMAT, FORMAT_VERSION, verify=False)["fingerprint"])


def _check(contents: BundleContents, scoring: _ScoringContents) -> None:
    """Checks that shapes, values and rows fit together and that a float64 holds every score exactly."""
    types = item_types(check_slots(contents.slots))
    if contents.repeat_empty and are_sets(contents.slots):
        raise BundleError(SETS_REPEAT_NOTHING)
    by_type = {"items": contents.items, "item_codes": contents.item_codes, "item_bias": contents.item_bias}
    for name, table in by_type.items():
        if missing := [item_type for item_type in types if item_type not in table]:
            raise BundleError(f"{name} has no entry for item type {missing[0]!r}")
    _check_arrays(contents, types)
    scoring.check()
    if contents.own is not None:
        sizes = {item_type: len(contents.items[item_type]) for item_type in types}
        check_own(contents.own, contents.slots, contents.user_codes.shape[-1], sizes)
    _check_requests(contents, types)
    _check_history(contents)
    _check_exactness(contents, types)


def _check_arrays(contents: BundleContents, types: Sequence[str]) -> None:
    num_bits, num_modalities = contents.user_codes.shape[-1], len(contents.modalities)
    codes: list[tuple[str, np.ndarray, tuple[int, ...]]] = [
        ("user_codes", contents.user_codes, (len(contents.users), num_bits))
    ]
    weights: list[tuple[str, np.ndarray, tuple[int, ...]]] = [
        ("preference_weights", contents.preference_weights, (num_bits,)),
        ("compatibility_weights", contents.compatibility_weights, (num_bits,)),
    ]
    for item_type in types:
        size = len(contents.items[item_type])
        item_codes, item_bias = contents.item_codes[item_type], contents.item_bias[item_type]
        codes.append((f"item_codes[{item_type!r}]", item_codes, (size, num_modalities, num_bits)))
        weights.append((f"item_bias[{item_type!r}]", item_bias, (size,)))
    if contents.users_known is not None and np.shape(contents.users_known) != (len(contents.users),):
        raise BundleError(f"users_known has shape {np.shape(contents.users_known)}, expected {(len(contents.users),)}")
    _check_user_codes(contents)
    for name, array, shape in codes + weights:
        if np.shape(array) != shape:
            raise BundleError(f"{name} has shape {np.shape(array)}, expected {shape}")
    for name, array, _ in codes[0 if contents.user_form == "bits" else 1 :]:
        if not (np.abs(array) == 1).all():
            raise BundleError(f"{name} has values other than -1 and +1: binarise the relaxed codes first")
    for name, array, _ in weights:
        if not (np.abs(array) < 2**15).all():
            raise BundleError(f"{name} has a value that is not finite or not between -32768 and 32768")


def _check_user_codes(contents: BundleContents) -> None:
    sizes = np.abs(contents.user_codes)
    if contents.user_form == "bits":
        return  # checked with the codes of items
    if not (sizes <= 1).all():
        raise BundleError(f"user_codes has values that are not from -1 to +1, as users in {contents.user_form} need")


def _check_requests(contents: BundleContents, types: tuple[str, ...]) -> None:
    requests = contents.requests
    if requests is None:
        _check_facts(contents, types)
        return
    if requests.types != types:
        raise BundleError(f"the requests have the item types {list(requests.types)}, but the bundle has {list(types)}")
    sizes = {item_type: len(contents.items[item_type]) for item_type in types} | {"users": len(contents.users)}
    known = {item_type: len(requests.item_outputs[item_type]) for item_type in types}
    known["users"] = len(requests.user_known)
    if sizes != known:
        raise BundleError(
            f"the requests have {known}, but the bundle has {sizes}: both must have the same items and users"
        )


def _check_facts(contents: BundleContents, types: tuple[str, ...]) -> None:
    if contents.facts is None:
        return
    known = {item_type: weights.shape[0] for item_type, weights in contents.facts.terms.by_type.items()}
    sizes = {item_type: len(contents.items[item_type]) for item_type in types}
    if known != sizes:
        raise BundleError(f"the facts are of {known}, but the bundle has {sizes}: both must have the same items")


def _check_history(contents: BundleContents) -> None:
    if contents.history.slots != contents.slots:
        raise BundleError(f"the history has the slots {contents.history.slots}, but the bundle has {contents.slots}")
    if contents.history_times is not None and contents.history_times.shape != (len(contents.history),):
        shape = contents.history_times.shape
        raise BundleError(
            f"history_times has the shape {shape}, but the history has {counted(len(contents.history), 'outfit')}"
        )
    columns = [("users", contents.history.users, 0, len(contents.users))]
    for slot, item_type in enumerate(contents.slots):
        columns.append((item_type, contents.history.items[:, slot], EMPTY, len(contents.items[item_type])))
    for name, rows, low, high in columns:
        if len(rows) and not low <= rows.min() <= rows.max() < high:
            raise BundleError(
                f"the history has rows {rows.min()} to {rows.max()} of {name}, but the bundle has {high} of them"
            )


def _check_exactness(contents: BundleContents, types: Sequence[str]) -> None:
    """Checks that the largest numerator of index/exact.py is below 2**53, so that a float64 holds it exactly."""
    scales = (contents.preference_scale, contents.compatibility_scale)
    if any(int(scale) != scale or scale < 0 for scale in scales):
        raise BundleError(f"preference_scale and compatibility_scale must be whole numbers of at least 0, got {scales}")
    total = np.abs(fixed_point(contents.preference_weights).astype(np.int64)).sum() * scales[0]
    total += np.abs(fixed_point(contents.compatibility_weights).astype(np.int64)).sum() * scales[1]
    for item_type in types:
        bias = fixed_point(contents.item_bias[item_type]).astype(np.int64)
        total += contents.user_codes.shape[-1] * int(np.abs(bias).max(initial=0))
    if contents.own is not None:
        total += np.abs(fixed_point(contents.own.weights).astype(np.int64)).sum() * scales[0]
        bias = fixed_point(contents.own.bias).astype(np.int64)
        total += contents.user_codes.shape[-1] * int(np.abs(bias).max(initial=0))
    num_pairs = max(1, len(slot_pairs(contents.slots)))
    if int(total) * len(contents.modalities) * len(contents.slots) * num_pairs >= 2**53:
        raise BundleError("the bit weights or item biases are too large for exact scores: did the training diverge?")


class _ScoringContents(Protocol):
    """The part of a bundle that depends on how it scores outfits (Bundle.scoring)."""

    answers: dict[str, str]  # how exact each kind of answer is; see fashion_hash.bundle
    head_width: int  # number of outputs of the hash heads

    def check(self) -> None: ...
    def write(self, folder: Path) -> None: ...


class _CodeContents:
    """FHN: only the codes that every bundle has."""

    def __init__(self, contents: BundleContents) -> None:
        self._contents = contents
        self.answers = EXACT
        self.head_width: int = contents.user_codes.shape[-1]

    def check(self) -> None:
        heads, modalities = self._contents.heads, self._contents.modalities
        if heads and tuple(heads) != modalities:
            raise BundleError(
                f"the hash heads have the modalities {list(heads)}, but the bundle has {list(modalities)}"
            )

    def write(self, folder: Path) -> None:
        pass


class _VectorContents:
    """Outfit encoder: its network, item tokens and user vectors; scores do not follow from codes alone."""

    def __init__(self, contents: BundleContents, encoder: EncoderContents) -> None:
        self._contents = contents
        self._encoder = encoder
        exact = "exact, outfit codes" if encoder.encoder.output == "bits" else "exact, outfit vectors"
        self.answers = {
            **dict.fromkeys(("pool", "score", "explain"), exact),
            "compose": RE_RANKED,
            "complete": RE_RANKED,
        }
        self.head_width = encoder.encoder.width

    def check(self) -> None:
        contents, encoder = self._contents, self._encoder
        if contents.user_form != "bits":
            raise BundleError(
                f"user_form {contents.user_form} is for codes: the users of an outfit encoder are vectors already"
            )
        if contents.repeat_empty or contents.compatibility_scale:
            raise BundleError(
                "an outfit encoder masks empty slots and has no compatibility term: in its bundle repeat_empty must be "
                "False and compatibility_scale 0"
            )
        if contents.own is not None:
            raise BundleError("an outfit encoder has vectors of outfits and takes no own codes: leave `own` out")
        codes = {"user_codes": contents.user_codes, **contents.item_codes}
        for name, expected in {"user_codes": encoder.user_codes, **encoder.item_codes}.items():
            if not np.array_equal(codes.get(name, ()), expected):
                raise BundleError(
                    f"the codes in {name} are not those of the outfit encoder: take them from EncoderContents"
                )

    def write(self, folder: Path) -> None:
        write_encoder(folder / "encoder", item_types(self._contents.slots), self._encoder)


def _scoring_contents(contents: BundleContents) -> _ScoringContents:
    return _VectorContents(contents, contents.encoder) if contents.encoder else _CodeContents(contents)
