"""An open bundle: reading what the folder holds; fashion_hash.bundle draws the folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, get_args
from urllib.parse import quote

import numpy as np

from fashion_hash.bundle.catalogue import Catalogue
from fashion_hash.bundle.generations import Held, hold_current
from fashion_hash.bundle.own import OwnCodes, read_own
from fashion_hash.bundle.tables.files import FOLDER as TABLES
from fashion_hash.bundle.tables.files import Tables, open_tables
from fashion_hash.core.arrays import check_rows, open_array
from fashion_hash.core.codes import UserForm
from fashion_hash.core.ids import IdTable
from fashion_hash.core.manifest import MOST_BITS, Within, check_fields, read_manifest
from fashion_hash.core.outfits import EMPTY, Outfits, check_slots, item_types, slot_names
from fashion_hash.errors import BundleError, DataError, counted
from fashion_hash.inference.outfit_encoder import (
    OutfitEncoderArrays,
    read_encoded,
    read_encoder,
)
from fashion_hash.inference.request_tower import RequestTower

FORMAT = "fashion_hash bundle"
FORMAT_VERSION = 1
LIVE_FOLDER = "live"
EXACT = dict.fromkeys(("pool", "score", "explain", "compose", "complete"), "exact")
RE_RANKED = "shortlist and re-rank"
FIELDS = {  # of the manifest, by their types
    "name": str,
    "slots": (list, str),
    "modalities": (list, str),
    "num_bits": Within(8, MOST_BITS),
    "preference_scale": Within(0, 1 << 62),
    "compatibility_scale": Within(0, 1 << 62),
    "repeat_empty": bool,
}
USER_FIELD = {"user_code": frozenset(get_args(UserForm))}

# how a bundle scores outfits: FHN by the codes of their items, an outfit encoder by vectors of whole outfits
ScoringKind = Literal["codes", "vectors"]


def has_changes(folder: Path) -> bool:
    """Whether live changes were made to the bundle in a folder; a killed call may have left an empty `live`."""
    return any(list((folder / LIVE_FOLDER).glob(pattern)) for pattern in ("live.sqlite*", "generation-*"))


def _file_name(item_type: str) -> str:
    """An item type as part of a file name: "jeans/denim" must not become a folder."""
    return quote(item_type, safe=" ")


def _opened_again(open_bundle: Callable[..., Bundle], path: str, verify: bool, scales: BundleChanges) -> Bundle:
    """What unpickling a bundle calls."""
    bundle = open_bundle(path, verify=verify)
    return bundle.view(**scales)


class BundleChanges(TypedDict, total=False):
    """The attributes of Bundle that a view may replace."""

    users: IdTable
    history: Outfits
    items: Mapping[str, IdTable]
    item_codes: Mapping[str, np.ndarray]
    item_bias: Mapping[str, np.ndarray]
    encoded_items: Mapping[str, np.ndarray]
    preference_scale: int
    compatibility_scale: int
    catalogue: Catalogue


class Bundle:
    """An open bundle. It is read-only; `view` makes copies with some attributes replaced.

    Large arrays are memory-mapped files; fashion_hash.bundle lists their shapes.

    Attributes:
        path: the folder of its files: a generation (fashion_hash.bundle.generations), or the bundle folder itself.
        root: the folder that was opened; `path` lies in it.
        scoring: how outfits are scored, "codes" or "vectors".
        verify: whether checksums are compared, also for files opened later, such as partner lists.
        shop_names: what the shop calls columns that have another name in the catalogue: {"Preis": "price"}.
        own: the codes that outfits have of their own (fashion_hash.bundle.own); None for none.
        user_keys: what scores outfits for each user: packed signs, (U, D / 8) uint8, or another form, see
            fashion_hash.core.codes.user_keys; for an outfit encoder vectors, (U, D) float32.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], verify: bool = True) -> None:
        self.path = self.root = path
        self._held: Held | None = None  # keeps the files from being removed while this object or a view exists
        self._reopen: Callable[..., Bundle] = type(self).open  # what unpickling calls; fashion_hash.live sets its own
        self.verify = verify
        self.manifest = manifest
        check_fields(path / "manifest.json", manifest, FIELDS)
        if manifest["num_bits"] % 8:
            raise BundleError(
                f"{path / 'manifest.json'}: num_bits must be a multiple of 8, got {manifest['num_bits']}: "
                "export it again"
            )
        self.name: str = manifest["name"]
        self.fingerprint: str = manifest["fingerprint"]
        try:
            self.slots = check_slots(manifest["slots"])
        except DataError as error:
            raise BundleError(f"{path / 'manifest.json'}: {error}: export it again") from None
        self.slot_names = slot_names(self.slots)
        self.types = item_types(self.slots)
        self.modalities = tuple(manifest["modalities"])
        self.num_bits: int = manifest["num_bits"]
        self.shop_names: dict[str, str] = manifest.get("shop_names", {})  # older bundles do not know them
        check_fields(path / "manifest.json", {"shop_names": self.shop_names}, {"shop_names": dict})
        check_fields(path / "manifest.json", self.shop_names, dict.fromkeys(self.shop_names, str))
        self.preference_scale: int = manifest["preference_scale"]
        self.compatibility_scale: int = manifest["compatibility_scale"]
        self.repeat_empty: bool = manifest["repeat_empty"]
        self.users = IdTable.open("user", path / "ids", "users")
        self.items: Mapping[str, IdTable] = {
            item_type: IdTable.open(item_type, path / "ids", f"items.{_file_name(item_type)}")
            for item_type in self.types
        }
        self.user_codes = self._array(f"codes/users.npy of {self.user_form}", U=len(self.users))
        untrained = (path / "codes/users.known.npy").is_file()  # only where users have no training outfit
        self.users_known = self._array("codes/users.known.npy", U=len(self.users)) if untrained else None
        self.item_codes = self._by_type("codes/items", M=len(self.modalities))
        self.item_bias = self._by_type("codes/bias")
        self.preference_weights = self._array("codes/preference_weights.npy")
        self.compatibility_weights = self._array("codes/compatibility_weights.npy")
        sizes = {item_type: len(ids) for item_type, ids in self.items.items()}
        self.own: OwnCodes | None = read_own(path / "codes", self.slots, self.num_bits, sizes)
        self.answers: dict[str, str] = manifest.get("answers", EXACT)  # old bundles without the key hold FHN models
        self.scoring: ScoringKind = "codes"
        self.user_keys = self.user_codes
        # set for an outfit encoder only; fashion_hash.inference.outfit_encoder describes them
        self.encoder: OutfitEncoderArrays | None = None
        self.encoded_items: Mapping[str, np.ndarray] = {}
        if (path / "encoder").is_dir():
            self.scoring = "vectors"
            self.encoder = read_encoder(path / "encoder")
            self.user_keys, self.encoded_items = read_encoded(path / "encoder", self.encoder, len(self.users), sizes)
        users = self._array("history/users.npy")
        items = self._array("history/items.npy", L=len(users), S=len(self.slots))
        check_rows(path / "history/users.npy", users, 0, len(self.users))
        for slot, item_type in enumerate(self.slots):
            check_rows(path / "history/items.npy", items[:, slot], EMPTY, len(self.items[item_type]))
        self.history = Outfits(self.slots, users, items)
        timed = (path / "history/times.npy").is_file()  # only where the data says when users liked
        self.history_times = self._array("history/times.npy", L=len(users)) if timed else None

    @cached_property
    def user_form(self) -> UserForm:
        """In which form the codes of users are kept; "bits" for an outfit encoder."""
        form: UserForm = self.manifest.get("user_code", "bits")  # older bundles hold nothing else
        check_fields(self.path / "manifest.json", {"user_code": form}, USER_FIELD)
        return form

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = True) -> Bundle:
        """Opens a bundle folder.

        Args:
            path: the folder; of several generations the current one is opened.
            verify: compare the checksum of every file; False compares only sizes, which takes milliseconds.

        Raises:
            BundleError: the folder is not a bundle, has another version, or a file is missing or was changed.
        """
        root = Path(path).absolute()  # the process may go to another folder while it is open
        folder, held = hold_current(root)
        bundle = cls(folder, read_manifest(folder, FORMAT, FORMAT_VERSION, verify=verify), verify)
        bundle.root, bundle._held = root, held
        if verify:
            bundle.catalogue.check_ids(bundle.items)
            if (folder / TABLES).is_dir():
                _ = bundle.tables
        return bundle

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as path and options: whoever unpickles opens the bundle again, as it is then."""
        scales = {"preference_scale": self.preference_scale, "compatibility_scale": self.compatibility_scale}
        return _opened_again, (self._reopen, str(self.root.absolute()), self.verify, scales)

    def __copy__(self) -> Bundle:
        """Another object that shares all files and arrays."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def view(self, **changes: Unpack[BundleChanges]) -> Bundle:
        """A copy that shares all files and arrays, with some attributes replaced.

        Raises:
            TypeError: an attribute that a view cannot replace.
        """
        if unknown := changes.keys() - BundleChanges.__annotations__.keys():
            raise TypeError(f"a view of a bundle cannot change {min(unknown)!r}")
        view = self.__copy__()
        view.__dict__.update(changes)
        return view

    @property
    def known_user_keys(self) -> np.ndarray:
        """`user_keys` without the rows that say nothing: of users who were removed, or have no training outfit."""
        known = self.users.findable if self.users_known is None else self.users.findable & self.users_known
        return self.user_keys if known.all() else self.user_keys[known]

    def is_known(self, user_row: int) -> bool:
        """Whether the model was trained on outfits of a user, so that their code says what they like."""
        return self.users_known is None or bool(self.users_known[user_row])

    @property
    def tastes(self) -> np.ndarray:
        """The older name of `user_keys`."""
        return self.user_keys

    @cached_property
    def _lines(self) -> tuple[np.ndarray, np.ndarray]:
        """The lines of the history ordered by user, and where each user's lines start."""
        order = np.argsort(self.history.users, kind="stable")
        return order, np.searchsorted(self.history.users[order], np.arange(len(self.users) + 1))

    def lines_of(self, user_row: int) -> np.ndarray:
        """The lines of a user's history: ascending, int64."""
        order, starts = self._lines
        return order[starts[user_row] : starts[user_row + 1]]

    @cached_property
    def catalogue(self) -> Catalogue:
        """Titles, details and pictures of the items."""
        return Catalogue(self.path / "catalogue.sqlite")

    @cached_property
    def tables(self) -> Tables | None:
        """The columns of the exported items and what requests may say of them; None where no index was built."""
        sizes = {item_type: len(self.items[item_type]) for item_type in self.types}
        return open_tables(self.path, self.fingerprint, sizes, verify=self.verify)

    @cached_property
    def requests(self) -> RequestTower | None:
        """The request model, or None when the bundle has none."""
        if not self.has_tower:
            return None
        tower = RequestTower.open(self.path / "requests")
        self.check_requests(tower)
        return tower

    def check_there(self) -> None:
        """Raises BundleError when the folder is no longer where it was opened: what is read first now is missing."""
        if not self.path.is_dir():
            raise BundleError(
                f"{self.path} was moved or removed after it was opened, and not all of it had been read: open the "
                "bundle again, where it is now"
            )

    @property
    def reads_words(self) -> bool:
        """Whether requests in words can be answered, by a request model or by the facts of the catalogue alone."""
        return (self.path / "requests").is_dir()

    @property
    def has_tower(self) -> bool:
        """Whether there is a request model; without one, requests/ holds facts alone."""
        folder = self.path / "requests"
        return folder.is_dir() and any(part.name != "facts" for part in folder.iterdir())

    def check_requests(self, tower: RequestTower) -> None:
        """Raises BundleError when a request model and the bundle differ in their numbers of users or items."""
        known = {item_type: len(codes) for item_type, codes in tower.item_codes.items()}
        sizes = {item_type: len(ids) for item_type, ids in self.items.items()}
        if known != sizes or len(tower.user_tastes) != len(self.users):
            raise BundleError(
                f"{tower.path} has {counted(len(tower.user_tastes), 'user')} and {known} items by type, but the "
                "bundle has "
                f"{counted(len(self.users), 'user')} and {sizes}: export the bundle again"
            )

    def _by_type(self, stem: str, **sizes: int) -> Mapping[str, np.ndarray]:
        return {
            item_type: self._array(f"{stem}.*.npy", item_type, N=len(self.items[item_type]), **sizes)
            for item_type in self.types
        }

    def _array(self, name: str, item_type: str = "", **sizes: int) -> np.ndarray:
        file = name.replace("*", _file_name(item_type)).partition(" of ")[0]
        return open_array(self.path / file, name, D=self.num_bits, W=self.num_bits // 8, **sizes)
