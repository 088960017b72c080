"""What a bundle answers from, as tables of plain columns, whatever writes them.

    bundle      one row: what the codes are of, and the constants of the score
    weights     the fixed-point weights by bit, of users, of pairs of items, and of own codes
    users       user_no, user_id, personal, code; number 0, without an id, is the anonymous user. Where users are more
                than bits (core/codes.py), planes and total instead of the code: see exported/queries.py
    items       item_no, item_type, item_id, bias, code_1 to code_M, and the details as JSON, the title among them
    outfits     outfit_no, outfit_id, item_1 to item_S, and the integers of index/exact.py that have no user in them
    own_codes   own_no, code; only if outfits have codes of their own (fashion_hash.bundle.own)
    opinions    user_no, outfit_no, and whether the user is known to like or to dislike the outfit

Numbers count from 1 without gaps. Outfits are numbered in the order of their ids, so that ties by number are ties by
id.

Shapes: R rows of a block, S slots, M modalities, D bits, W = D / 8.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError, QueryError
from fashion_hash.index import exact
from fashion_hash.index.outfit_terms import outfit_terms
from fashion_hash.index.pool import CHUNK
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.exported.queries import plane_steps
from fashion_hash.retrieval.users import users_now

# int, long: 32 and 64 bits; number: an int that names a row, 0 for none; code: packed bits, the first bit first
Kind = Literal["int", "long", "number", "text", "json", "flag", "code"]
Block = Mapping[str, Sequence[Any] | np.ndarray]


class Table(NamedTuple):
    """A table.

    Attributes:
        name: of the table.
        columns: the kind of each column.
        key: the columns that name a row.
        blocks: makes its rows, some at a time: for every column a list or (R,), codes (R, W) uint8.
    """

    name: str
    columns: Mapping[str, Kind]
    key: tuple[str, ...]
    blocks: Callable[[], Iterator[Block]]


class CodeTables:
    """The tables of a bundle as it is now, with what its live catalogue was told.

    Args:
        live: the open catalogue. While rows are made it must not change.

    Raises:
        QueryError: the bundle scores by vectors.
    """

    def __init__(self, live: LiveCatalogue) -> None:
        self._live = live
        self._snapshot: Snapshot = live.now()
        self.bundle: Bundle = self._snapshot.bundle
        if self.bundle.scoring != "codes":
            raise QueryError(
                f"{self.bundle.root} scores by the vectors of an outfit encoder: SQL would round their distances in "
                "another order and rank otherwise, so that only bundles that score by codes are exported"
            )

    def all(self) -> list[Table]:
        """The tables, in the order in which they refer to each other."""
        slots, modalities = len(self.bundle.slots), len(self.bundle.modalities)
        codes: dict[str, Kind] = {f"code_{number}": "code" for number in range(1, modalities + 1)}
        items: dict[str, Kind] = {f"item_{number}": "number" for number in range(1, slots + 1)}
        terms: dict[str, Kind] = {"compatibility": "long", "bias": "long", "num_items": "int", "num_pairs": "int"}
        weights: dict[str, Kind] = {"bit": "int", "preference": "int", "compatibility": "int"}
        own: dict[str, Kind] = {} if self.bundle.own is None else {"own": "int"}
        of_own: dict[str, Kind] = {} if self.bundle.own is None else {"own_no": "number"}
        keys: dict[str, Kind] = {
            name: "long" if name.endswith("total") else "code" for name in self._keys(self.bundle.user_keys[:0])
        }
        about: dict[str, Kind] = {name: _kind(value) for name, value in self._about.items()}
        tables = [
            Table("bundle", about, ("fingerprint",), self._constants),
            Table("weights", weights | own, ("bit",), self._weights),
            Table(
                "users", {"user_no": "int", "user_id": "text", "personal": "flag", **keys}, ("user_no",), self._users
            ),
            Table(
                "items",
                {"item_no": "int", "item_type": "text", "item_id": "text", "bias": "int", **codes, "details": "json"},
                ("item_no",),
                self._items,
            ),
            Table("own_codes", {"own_no": "int", "bias": "int", "code": "code"}, ("own_no",), self._own),
            Table(
                "outfits",
                {"outfit_no": "int", "outfit_id": "text", **items, **of_own, **terms},
                ("outfit_no",),
                self._outfits,
            ),
            Table(
                "opinions",
                {"user_no": "int", "outfit_no": "int", "opinion": "text"},
                ("user_no", "outfit_no"),
                self._opinions,
            ),
        ]
        return [table for table in tables if table.name != "own_codes" or own]

    def counts(self) -> dict[str, int]:
        """How many users with an id, items and outfits there are."""
        items = sum(int(np.count_nonzero(numbers)) for numbers in self._item_numbers.values())
        return {"users": len(self._ids), "items": items, "outfits": len(self._outfit_rows)}

    @cached_property
    def _about(self) -> dict[str, Any]:
        bundle = self.bundle
        return {
            "fingerprint": bundle.fingerprint,
            "name": bundle.name,
            "num_bits": bundle.num_bits,
            "slots": json.dumps(bundle.slot_names, ensure_ascii=False),
            "types": json.dumps(bundle.slots, ensure_ascii=False),
            "modalities": json.dumps(bundle.modalities, ensure_ascii=False),
            "weight_one": WEIGHT_ONE,
            "preference_scale": bundle.preference_scale,
            "compatibility_scale": bundle.compatibility_scale,
        }

    @cached_property
    def _outfit_rows(self) -> np.ndarray:
        """The rows of the snapshot that are offered, in the order of their ids."""
        offered = self._snapshot.offered
        rows = np.arange(len(self._snapshot.ids)) if offered is None else np.flatnonzero(offered)
        return rows[np.argsort(self._snapshot.ids.encoded[rows], kind="stable")]

    @cached_property
    def _outfit_numbers(self) -> np.ndarray:
        """The number of each row of the snapshot, 0 for outfits that are not offered."""
        numbers = np.zeros(len(self._snapshot.ids), dtype=np.int64)
        numbers[self._outfit_rows] = np.arange(1, len(self._outfit_rows) + 1)
        return numbers

    @cached_property
    def _item_numbers(self) -> dict[str, np.ndarray]:
        """By type the number of each item, 0 for those that were removed."""
        numbers, count = {}, 0
        for item_type in self.bundle.types:
            findable = self.bundle.items[item_type].findable
            numbers[item_type] = np.where(findable, count + np.cumsum(findable), 0)
            count += int(findable.sum())
        return numbers

    def _constants(self) -> Iterator[Block]:
        yield {name: [value] for name, value in self._about.items()}

    def _weights(self) -> Iterator[Block]:
        bundle = self.bundle
        own = {} if bundle.own is None else {"own": bundle.own.weights}
        yield {
            "bit": np.arange(1, bundle.num_bits + 1),
            "preference": bundle.preference_weights,
            "compatibility": bundle.compatibility_weights,
            **own,
        }

    def _users(self) -> Iterator[Block]:
        keys = self.bundle.user_keys
        nothing = np.zeros((1, *keys.shape[1:]), keys.dtype)
        yield {"user_no": [0], "user_id": [None], "personal": [False], **self._keys(nothing)}
        for first, ids in self._user_ids():
            snapshot, users = users_now(self._live, ids)
            self._check_same(snapshot)
            yield {
                "user_no": np.arange(first, first + len(ids)),
                "user_id": ids,
                "personal": [user.personal for user in users],
                **self._keys(np.stack([user.user_key for user in users])),
            }

    def _keys(self, user_keys: np.ndarray) -> dict[str, np.ndarray]:
        """What scores outfits for users, (R, ...), as columns."""
        bundle = self.bundle
        if bundle.user_form == "bits":
            return {"code": first_bit_first(user_keys)}
        columns = _planes("", exact.query(bundle, user_keys), bundle.preference_weights)
        if bundle.own is not None:
            columns |= _planes("own_", exact.own_query(bundle, user_keys), bundle.own.weights)
        return columns

    def _opinions(self) -> Iterator[Block]:
        for first, ids in self._user_ids():
            snapshot, users = users_now(self._live, ids)
            self._check_same(snapshot)
            for opinion in ("liked", "disliked"):
                rows = [user.liked_rows if opinion == "liked" else user.disliked_rows for user in users]
                owners = np.repeat(np.arange(first, first + len(ids)), [len(part) for part in rows])
                numbers = self._outfit_numbers[np.concatenate(rows)]
                there = numbers > 0
                if opinion == "liked":  # as answers have it: who dislikes an outfit now liked it before
                    gone = [np.isin(user.liked_rows, user.disliked_rows) for user in users]
                    there &= ~np.concatenate(gone)
                yield {
                    "user_no": owners[there],
                    "outfit_no": numbers[there],
                    "opinion": [opinion] * int(there.sum()),
                }

    @cached_property
    def _ids(self) -> list[str]:
        """The ids of the users of the export, then those of the users who came since."""
        exported = self.bundle.users
        told = self._live.ask(lambda store: store.users()) or []
        return [*exported.all(), *(user_id for user_id in told if user_id not in exported)]

    def _user_ids(self) -> Iterator[tuple[int, list[str]]]:
        """The ids of users, some at a time, and the number of the first."""
        for start in range(0, len(self._ids), CHUNK):
            yield start + 1, self._ids[start : start + CHUNK]

    def _items(self) -> Iterator[Block]:
        bundle = self.bundle
        for item_type in bundle.types:
            ids, numbers = bundle.items[item_type], self._item_numbers[item_type]
            rows = np.flatnonzero(numbers)
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                codes = bundle.item_codes[item_type][part]
                lines = bundle.catalogue.lines(item_type, part.tolist())
                yield {
                    "item_no": numbers[part],
                    "item_type": [item_type] * len(part),
                    "item_id": ids.at(part),
                    "bias": bundle.item_bias[item_type][part],
                    **{f"code_{place + 1}": first_bit_first(codes[:, place]) for place in range(codes.shape[1])},
                    "details": [_details(*lines[row]) for row in part.tolist()],
                }

    def _own(self) -> Iterator[Block]:
        assert self.bundle.own is not None
        own = self.bundle.own
        for start in range(0, len(own.codes), CHUNK):
            codes = own.codes[start : start + CHUNK]
            yield {
                "own_no": np.arange(start + 1, start + len(codes) + 1),
                "bias": own.bias[start : start + CHUNK],
                "code": first_bit_first(codes),
            }

    def _outfits(self) -> Iterator[Block]:
        snapshot, bundle = self._snapshot, self.bundle
        for start in range(0, len(self._outfit_rows), CHUNK):
            rows = self._outfit_rows[start : start + CHUNK]
            items, own = snapshot.items_of(rows), snapshot.own_of(rows)
            terms = outfit_terms(bundle, items, own)
            counted = exact.outfit_items(bundle, items)
            numbers = {
                f"item_{slot + 1}": np.where(items == EMPTY, 0, self._item_numbers[item_type][items])
                for slot, (item_type, items) in enumerate(zip(bundle.slots, counted.T))
            }
            yield {
                "outfit_no": np.arange(start + 1, start + len(rows) + 1),
                "outfit_id": snapshot.ids.at(rows),
                **numbers,
                **({} if bundle.own is None else {"own_no": own.astype(np.int64) + 1}),
                **terms._asdict(),
            }

    def _check_same(self, snapshot: Snapshot) -> None:
        if snapshot is not self._snapshot:
            raise BundleError(
                f"{self.bundle.root} was changed while it was exported, and nothing was written: export it again"
            )


def first_bit_first(codes: Packed) -> Packed:
    """Packed codes, (..., W), with the first bit of a byte as its most significant: as databases read bit strings."""
    return np.packbits(np.unpackbits(codes, axis=-1, bitorder="little"), axis=-1)


def _planes(prefix: str, queries: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Integers of users for each bit, (R, D), of which none is larger than the weight of its bit, as columns."""
    columns = {
        f"{prefix}plane_{number}": np.packbits((queries < 0) if step < 0 else (queries & step) > 0, axis=-1)
        for number, step in enumerate(plane_steps(weights), start=1)
    }
    return {**columns, f"{prefix}total": queries.sum(axis=1)}


def _kind(value: object) -> Kind:
    return "text" if isinstance(value, str) else "long"


def _details(title: str | None, details: str) -> str:
    """The details of an item with its title, as JSON."""
    return details if title is None else json.dumps(json.loads(details) | {"title": title}, ensure_ascii=False)
