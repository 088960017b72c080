"""The format `shop`: a shop's own tables, as a data set.

    items          item_id, type, title, description, image, any further columns
    details        item_id, any further columns                                   optional
    outfits        outfit_id, user_id, item_ids, split, timestamp, weight         or a row for each item
    events         user_id, outfit_id, kind, timestamp, weight                    optional
    interactions   user_id, item_id, kind, timestamp, weight, order_id            where users have no outfits

Tables and columns may be called otherwise: `fashion_hash.data.shop.tables.names` recognises many spellings, and a
configuration maps the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fashion_hash.config.shop import ShopConfig
from fashion_hash.core.outfits import EMPTY, Outfits, item_types
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.columns import Value
from fashion_hash.data.dataset import SPLITS, Content, Dataset, Pool, Split
from fashion_hash.data.events import UNTYPED
from fashion_hash.data.facts import NO_TIME, OutfitFacts
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.shop.interactions import UNKNOWN_ITEMS as UNKNOWN_IN_INTERACTIONS
from fashion_hash.data.shop.interactions import form_sets, read_interactions
from fashion_hash.data.shop.item_sets import Fitted, ItemSets, choose_slots, fit_slots, type_column
from fashion_hash.data.shop.items import Items, add_details, read_items, type_details
from fashion_hash.data.shop.likes import UNKNOWN_ITEMS, Likes, Looks, set_id
from fashion_hash.data.shop.notes import EXAMPLES, Notes
from fashion_hash.data.shop.pictures import picture_keys
from fashion_hash.data.shop.tables.recognise import ShopTables, find_tables
from fashion_hash.errors import ConfigError, DataError

log = logging.getLogger(__name__)

EVERYBODY = "everybody"
"""The user of a shop whose tables name no users."""


NO_SETS = (
    "; an outfit is what a user took in one order or, without orders, in one session: map the orders "
    "(data.shop.columns, order_id), or add a table of outfits"
)
"""What to do where interactions are too far apart, for messages."""


@dataclass
class ShopData:
    """What a shop's tables say, before slots are chosen.

    Attributes:
        tables: where it was read.
        items: the items.
        ids: the id of each set of items.
        sets: outfits, or what was ordered or looked at together.
        likes: who likes which set.
        users: user ids, in the order of their rows.
        formed: whether all sets were formed from interactions.
        from_interactions: whether it is interactions that say what users like.
        type_column: the column that tells the types of the items, if it was found by its content.
        notes: what was odd.
    """

    tables: ShopTables
    items: Items
    ids: list[str]
    sets: ItemSets
    likes: Likes
    users: list[str]
    formed: bool
    from_interactions: bool
    type_column: str | None = None
    notes: Notes = field(default_factory=Notes)

    @property
    def type_of(self) -> np.ndarray:
        """The type of each item, a position in `items.types`."""
        return np.array(self.items.type_of, dtype=np.int64)


def read_shop(
    root: str | Path,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
    config: ShopConfig | None = None,
) -> Dataset:
    """A shop's tables as a data set; without given splits, all outfits are in "train".

    Args:
        root: the folder of the tables.
        subset: must be left out: there are no subsets.
        slots: the item type of each slot; by default chosen from which types occur together.
        report: called with each row that cannot be read; the default raises the first.
        config: which tables there are, and what their columns are called; by default both are recognised.

    Raises:
        ConfigError: a subset was given, a mapping names a column that does not exist, or a slot has no items.
        DataError: a table is missing or broken, or the ids of the tables do not meet.
    """
    if subset is not None:
        raise ConfigError(f"the format shop has no subsets: leave out subset {subset!r}")
    data = read_tables(Path(root), config or ShopConfig(), report)
    if slots is None:
        slots = choose_slots(data.sets, data.type_of, data.items.types).slots
        if not slots:
            raise DataError(f"{root}: no two item types occur together in an outfit: name the slots (data.slots)")
    dataset = make_dataset(data, tuple(slots))
    for note in dataset.notes:
        log.warning("%s: %s", root, note)
    return dataset


def find_shop(root: Path, subset: str | None = None) -> ShopTables:
    """The tables of a folder. Raises DataError if it holds no table of items (`subset` is not used)."""
    tables = find_tables(root)
    if not tables.of("items"):
        raise DataError(f"{root} holds no table of items: expected columns item_id and type (it holds {_holds(root)})")
    return tables


def read_tables(root: Path, config: ShopConfig, report: Reporter = stop) -> ShopData:
    """Reads a shop's tables; see `read_shop`."""
    tables, notes = find_tables(root, config), Notes()
    if not tables.of("items"):
        raise DataError(f"{root} holds no table of items: expected columns item_id and type (it holds {_holds(root)})")
    items = read_items(tables.sources("items"), config.types, notes, report)
    add_details(items, tables.sources("details"), notes, report)
    type_details(items, tables.sources("items"), tables.sources("details"), notes, report)
    looks = Looks(items, notes, report)
    for source in tables.sources("outfits"):
        looks.read(source)
    for source in tables.sources("events"):
        looks.read_events(source)
    sets, likes, ids = looks.sets(), looks.likes(), list(looks.ids)
    sources, formed = tables.sources("interactions"), False
    from_interactions = bool(sources) and not len(likes)
    if from_interactions:
        interactions = read_interactions(sources, items, looks.users, notes, report)
        _check_meeting(items, len(interactions), UNKNOWN_IN_INTERACTIONS, [source.path for source in sources], notes)
        formed_sets, likes = form_sets(interactions, config.session_minutes, notes)
        if not len(ids):
            names = items.ids
            sets, formed = formed_sets, True
            ids = [set_id([names[at] for at in sets.items[a:b]]) for a, b in zip(sets.starts, sets.starts[1:])]
        else:
            sets, ids, likes = _joined(sets, ids, formed_sets, likes, items)
    elif tables.of("outfits"):
        paths = [table.path for table in tables.of("outfits")]
        _check_meeting(items, len(sets.items), UNKNOWN_ITEMS, paths, notes)
    if not len(ids):
        none = f" holds no outfits, and no interactions to form them from (it holds {_holds(root)})"
        raise DataError(f"{root}{': the interactions form no outfits' + NO_SETS if from_interactions else none}")
    users = list(looks.users)
    if not len(likes):
        users, likes = [EVERYBODY], _liked_by_everybody(len(ids))
        notes.add_all("outfits, and no user who likes one: everybody is answered alike", len(ids))
    column = None if items.types != [UNTYPED] else type_column(sets, items.details)
    if column is not None:
        items.take_types(column, config.types)
    _note_other_case(users, "user ids that differ in case only: they stay different users", notes)
    _note_other_case(items.numbers, "item ids that differ in case only: they stay different items", notes)
    return ShopData(tables, items, ids, sets, likes, users, formed, from_interactions, column, notes)


def make_dataset(data: ShopData, slots: tuple[str, ...]) -> Dataset:
    """The data set of a shop, its outfits in slots.

    Args:
        data: what the tables say.
        slots: the item type of each slot.

    Raises:
        ConfigError: there are no items of a slot's type.
        DataError: no outfit has items for two slots.
    """
    for item_type in item_types(slots):
        if item_type not in data.items.types:
            known = ", ".join(data.items.types)
            raise ConfigError(f"data.slots: no items of the type {item_type!r}; the types are {known}")
    notes = data.notes
    fitted = fit_slots(data.sets, data.type_of, data.items.types, slots)
    kept = _usable(data, fitted, slots, notes)
    vocabularies, rows = _vocabularies(data.items, slots)
    items = np.where(fitted.items == EMPTY, EMPTY, rows[fitted.items]).astype(np.int32)
    likes = data.likes[kept[data.likes.sets]]
    seen, owners = np.unique(likes.users, return_inverse=True)
    users = Vocabulary([data.users[row] for row in seen], "user")
    outfits = Outfits.of(slots, owners, items[likes.sets])
    ids = np.array(data.ids, dtype=object)
    facts = OutfitFacts.of(
        list(ids[likes.sets]),
        likes.times if (likes.times != NO_TIME).any() else None,
        None if np.isnan(likes.weights).all() else likes.weights,
        list(likes.kinds) if likes.strengths.any() else None,
    )
    _, first = np.unique(ids[kept].astype(str), return_index=True)  # formed sets of the same items have one id
    numbers = np.flatnonzero(kept)[np.sort(first)]
    pool = Pool(tuple(ids[numbers]), Outfits.of(slots, np.zeros(len(numbers)), items[numbers]))
    keys = picture_keys(data.tables.pictures, data.items, notes)
    details = _details(data.items, vocabularies)
    content = Content(data.tables.pictures, None, details, picture_keys=keys, names=data.tables.names)
    splits = _splits(outfits, facts, likes.splits, notes)
    return Dataset(
        f"shop/{data.tables.root.name}", slots, users, vocabularies, splits, content, pool=pool, notes=notes.all()
    )


def _usable(data: ShopData, fitted: Fitted, slots: tuple[str, ...], notes: Notes) -> np.ndarray:
    """(N,) bool, the sets with enough items; the rest is noted."""
    fewest = min(2, len(slots))
    held = (fitted.items != EMPTY).sum(axis=1)
    kept = np.asarray(held >= fewest)
    what = "sets of items" if data.formed else "outfits"
    notes.add_all("items of outfits whose type has no slot, left out of their outfit", fitted.untyped)
    notes.add_all("items beyond the slots of their type, left out of their outfit", fitted.surplus)
    dropped = np.flatnonzero(~kept)
    examples = (data.ids[number] for number in dropped[:EXAMPLES])
    number = "two items" if fewest == 2 else "an item"
    notes.add_all(f"{what} without {number} of the slots' types, left out", len(dropped), examples)
    if not kept.any() or not kept[data.likes.sets].any():
        raise DataError(
            f"{data.tables.root}: none of the {len(data.ids):,} {what} has {number} of the types {', '.join(slots)}: "
            "look at the item ids and the types of the tables"
        )
    return kept


def _vocabularies(items: Items, slots: tuple[str, ...]) -> tuple[dict[str, Vocabulary], np.ndarray]:
    """The items of the slots' types, and the row of each item among those of its type."""
    types, ids = np.array(items.type_of, dtype=np.int64), items.ids
    rows = np.full(len(ids), EMPTY, dtype=np.int64)
    vocabularies = {}
    for item_type in item_types(slots):
        numbers = np.flatnonzero(types == items.types.index(item_type))
        rows[numbers] = np.arange(len(numbers))
        vocabularies[item_type] = Vocabulary([ids[number] for number in numbers], item_type)
    return vocabularies, rows


def _details(items: Items, vocabularies: dict[str, Vocabulary]) -> dict[str, dict[str, dict[str, Value]]]:
    details: dict[str, dict[str, dict[str, Value]]] = {}
    for item_type, vocabulary in vocabularies.items():
        of_type = ((item_id, items.details[items.numbers[item_id]]) for item_id in vocabulary)
        details[item_type] = {item_id: row for item_id, row in of_type if row}
    return details


def _splits(outfits: Outfits, facts: OutfitFacts, given: np.ndarray, notes: Notes) -> dict[str, Split]:
    """The given splits, or all outfits in "train"."""
    named = given != ""
    if named.any() and not named.all():
        notes.add_all("outfits without a split, where others have one: they are for training", int((~named).sum()))
    places = np.where(named, given, "train")
    splits = {}
    for name in SPLITS:
        rows = np.flatnonzero(places == name)
        if rows.size:
            splits[name] = Split(outfits[rows], facts=facts[rows])
    return splits


def _joined(
    sets: ItemSets, ids: list[str], formed: ItemSets, likes: Likes, items: Items
) -> tuple[ItemSets, list[str], Likes]:
    """Outfits that nobody likes, and formed sets that users do: one table of both."""
    names = items.ids
    more = [set_id([names[at] for at in formed.items[a:b]]) for a, b in zip(formed.starts, formed.starts[1:])]
    starts = np.concatenate([sets.starts, formed.starts[1:] + sets.starts[-1]])
    both = ItemSets(np.concatenate([sets.items, formed.items]), starts)
    moved = Likes(
        likes.users, likes.sets + np.int32(len(ids)), likes.times, likes.weights, likes.strengths, likes.splits
    )
    return both, ids + more, moved


def _liked_by_everybody(count: int) -> Likes:
    return Likes(
        np.zeros(count, dtype=np.int32),
        np.arange(count, dtype=np.int32),
        np.full(count, NO_TIME),
        np.full(count, np.nan),
        np.zeros(count, dtype=np.int8),
        np.full(count, "", dtype=object),
    )


def _check_meeting(items: Items, met: int, unknown: str, paths: Sequence[Path], notes: Notes) -> None:
    """Refuses tables whose item ids do not meet: hardly any item that they name is among the items."""
    missed = notes.count(unknown)
    if missed and met < 0.01 * (met + missed):
        examples = next(note.examples for note in notes.all() if note.what == unknown)
        raise DataError(
            f"the item ids of {', '.join(map(str, paths))} do not meet those of the items: {met:,} of {met + missed:,} "
            f"are known. They are written {_quoted(examples)}, those of the {len(items):,} items "
            f"{_quoted(items.ids[:EXAMPLES])}{_hint(items, examples)}"
        )


def _hint(items: Items, examples: Iterable[str]) -> str:
    """How the ids of two tables would meet, if there is a simple way."""
    ways: dict[str, Callable[[str], str]] = {
        "capital and small letters": str.casefold,
        "leading zeros": lambda name: name.lstrip("0"),
        "a trailing .0": lambda name: name.removesuffix(".0"),
    }
    for what, way in ways.items():
        known = {way(name) for name in items.numbers}
        if all(way(example) in known for example in examples):
            return f". They differ in {what}: write both alike"
    return ". Is another column meant (data.shop.columns)?"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _note_other_case(ids: Iterable[str], what: str, notes: Notes) -> None:
    seen: dict[str, str] = {}
    for name in ids:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            notes.add(what, f"{other} and {name}")


def _holds(root: Path) -> str:
    return ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
