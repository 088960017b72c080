"""From outfits, their items and who clicked them to a data set, whichever files they came from.

Shapes: N outfits, I items, C clicks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fashion_hash.config.data import SplitConfig
from fashion_hash.core.outfits import EMPTY, Outfits, item_types
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.columns import Value
from fashion_hash.data.dataset import Content, Dataset, Pool, Split
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.data.formats.clicks.slots import TypedItems, find_types
from fashion_hash.data.shop.item_sets import ItemSets, fit_slots
from fashion_hash.data.shop.notes import EXAMPLES, Notes
from fashion_hash.data.splits.make import split_dataset
from fashion_hash.errors import DataError

log = logging.getLogger(__name__)

VALID_SHARE = 0.1
"""The share of the training clicks that make the validation split, where the files have none."""


@dataclass(frozen=True)
class Clicks:
    """(C,) int64 rows of users and numbers of outfits."""

    users: np.ndarray
    outfits: np.ndarray


@dataclass(frozen=True)
class ClickLog:
    """What the files say, before slots are chosen.

    Attributes:
        name: of the data set.
        users: user ids.
        outfit_ids: (N,) outfit ids.
        item_ids: (I,) item ids.
        sets: the items of each outfit, as positions in `item_ids`.
        categories: (I,) int64 the category of each item, -1 where it has none.
        clicks: by split, who clicked which outfit, a position in `outfit_ids`.
        details: what is known of each item, by id.
        notes: what was odd in the files.
    """

    name: str
    users: Sequence[str]
    outfit_ids: Sequence[str]
    item_ids: Sequence[str]
    sets: ItemSets
    categories: np.ndarray
    clicks: Mapping[str, Clicks]
    details: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)


def make_dataset(data: ClickLog, slots: Sequence[str] | None = None) -> Dataset:
    """The data set: outfits in slots under their own ids.

    Where there is a test split and no validation split, that is made from training. Data of one split is divided by
    whoever reads it (`data.split`).

    Outfits without items leave it, with their clicks; an outfit that a user clicked twice counts once.

    Args:
        data: what the files say.
        slots: as for `find_types`.

    Raises:
        DataError: no outfit, or no click on one.
        ConfigError: `slots` names item types.
    """
    notes = data.notes
    kept = np.diff(data.sets.starts) > 0
    typed = find_types(data.sets, data.categories, slots)
    if (data.categories >= 0).any():
        bare = np.unique(data.sets.items[data.categories[data.sets.items] < 0])
        named = (data.item_ids[at] for at in bare[:EXAMPLES])
        notes.add_all("items of outfits without a category", len(bare), named)
    fitted = fit_slots(data.sets, typed.type_of, typed.types, typed.slots)
    notes.add_all(f"items beyond the {len(typed.slots)} slots, left out of their outfit", fitted.surplus)
    bare = np.flatnonzero(~kept)
    notes.add_all("outfits without items, left out", len(bare), (data.outfit_ids[at] for at in bare[:EXAMPLES]))
    vocabularies, rows = _vocabularies(data, typed)
    items = np.where(fitted.items == EMPTY, EMPTY, rows[fitted.items]).astype(np.int32)
    ids = np.array(data.outfit_ids, dtype=object)
    splits = {}
    for name, clicks in data.clicks.items():
        split = _split(name, clicks, kept, notes)
        if len(split.users):
            positives = Outfits.of(typed.slots, split.users, items[split.outfits])
            splits[name] = Split(positives, facts=OutfitFacts(ids[split.outfits]))
    if "train" not in splits:
        raise DataError(f"{data.name}: no click on an outfit whose items are known")
    pool = Pool(tuple(ids[kept].tolist()), Outfits.of(typed.slots, np.zeros(int(kept.sum())), items[kept]))
    dataset = Dataset(
        data.name,
        typed.slots,
        Vocabulary(data.users, "user"),
        vocabularies,
        splits,
        Content(details=_details(data, vocabularies)),
        pool=pool,
    )
    dataset = replace(_with_valid(dataset, notes), notes=notes.all())
    log.info("%s: slots %s (%s)", data.name, ", ".join(typed.slots), typed.why)
    for note in dataset.notes:
        log.warning("%s: %s", data.name, note)
    return dataset


def _split(name: str, clicks: Clicks, kept: np.ndarray, notes: Notes) -> Clicks:
    """The clicks on outfits with items, each once, in the order of users and outfits as they came."""
    has_items = kept[clicks.outfits]
    notes.add_all(f"{name}: clicks on outfits without items, left out", int((~has_items).sum()))
    users, outfits = clicks.users[has_items], clicks.outfits[has_items]
    _, first = np.unique(users * np.int64(len(kept)) + outfits, return_index=True)
    notes.add_all(f"{name}: clicks of a user on the same outfit again, left out", len(users) - len(first))
    first.sort()
    return Clicks(users[first], outfits[first])


def _vocabularies(data: ClickLog, typed: TypedItems) -> tuple[dict[str, Vocabulary], np.ndarray]:
    """The items of outfits by type, and the row of each item among those of its type."""
    used = np.zeros(len(data.item_ids), dtype=bool)
    used[data.sets.items] = True
    rows = np.full(len(data.item_ids), EMPTY, dtype=np.int64)
    vocabularies = {}
    for item_type in item_types(typed.slots):
        numbers = np.flatnonzero(used & (typed.type_of == typed.types.index(item_type)))
        rows[numbers] = np.arange(len(numbers))
        vocabularies[item_type] = Vocabulary([data.item_ids[number] for number in numbers.tolist()], item_type)
    return vocabularies, rows


def _details(data: ClickLog, vocabularies: Mapping[str, Vocabulary]) -> dict[str, dict[str, Mapping[str, Value]]]:
    of_types = {}
    for item_type, vocabulary in vocabularies.items():
        of_types[item_type] = {item_id: data.details[item_id] for item_id in vocabulary if item_id in data.details}
    return of_types


def _with_valid(dataset: Dataset, notes: Notes) -> Dataset:
    """With a validation split out of training: of n outfits of a user a tenth, at random, and one at least stays."""
    if "valid" in dataset.splits or "test" not in dataset.splits:
        return dataset
    train = replace(dataset, splits={"train": dataset.splits["train"]})
    try:
        made = split_dataset(train, SplitConfig(kind="per_user", valid=VALID_SHARE, test=0.0, seed=0)).splits
    except DataError:
        notes.say("no validation split: too few training outfits to spare any")
        return dataset
    others = {name: split for name, split in dataset.splits.items() if name != "train"}
    return replace(dataset, splits={"train": made["train"], "valid": made["valid"], **others})
