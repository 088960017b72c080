"""A planted world: garments with attributes, users with tastes, and a rule of what goes together.

The truth is known, so tests and benchmarks can hold a model to it:

    truth_score(user, outfit) = PREFERENCE * mean over items of  taste[user] . attributes[item]
                              + COMPATIBILITY * mean over pairs of  sum of match[attribute](item, other)
                              + POPULARITY * mean over items of  popularity[item]

Users wear what scores high among random candidates, with noise. Letters: N items or outfits, U users,
S slots, P pairs of slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, slot_pairs
from fashion_hash.core.seeds import generator
from fashion_hash.data.sample.garments import (
    BRANDS,
    BRANDS_OF_STYLE,
    COLOURS,
    FORMALITIES,
    JEANS_COLOURS,
    KINDS,
    MATERIALS,
    PATTERNS,
    SEASONS,
    STYLES,
    TYPES,
    colour_harmony,
    formality_match,
    pattern_match,
    season_match,
    style_match,
)
from fashion_hash.errors import DataError

# The values of each coded attribute; a code is a position in its tuple.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": tuple(KINDS),
    "colour": tuple(COLOURS),
    "pattern": PATTERNS,
    "material": tuple(MATERIALS),
    "style": tuple(STYLES),
    "formality": FORMALITIES,
    "season": SEASONS,
    "brand": tuple(BRANDS),
}
# How much users differ in what they like of each attribute (standard deviation of a taste).
TASTES = {"colour": 1.0, "style": 1.0, "kind": 0.7, "pattern": 0.7, "formality": 0.5, "brand": 0.1}
PREFERENCE, COMPATIBILITY, POPULARITY = 0.85, 1.1, 0.1
# Users wear the best of CANDIDATES random outfits for each one they wear, after noise of this size.
CANDIDATES, NOISE = 25, 0.25


@dataclass(frozen=True)
class World:
    """Items, users and the truth about them.

    Attributes:
        items: for each type, the columns of its items: a (N,) array of codes for each of ATTRIBUTES,
            and "popularity" (N,) float, "price" (N,) float, "in_stock" (N,) bool, "word" (N,) int.
        tastes: for each attribute of TASTES, (U, values) float: how much each user likes each value.
    """

    items: Mapping[str, Mapping[str, np.ndarray]]
    tastes: Mapping[str, np.ndarray]

    @property
    def num_users(self) -> int:
        """How many users there are."""
        return len(self.tastes["colour"])

    def num_items(self, item_type: str) -> int:
        """How many items of a type there are."""
        return len(self.items[item_type]["colour"])


def plant_world(seed: int, users: int, items: int) -> World:
    """Draws a world with these numbers of users and of items per type; the same seed gives the same world."""
    return World({item_type: _draw_items(generator(seed, "items", item_type), item_type, items) for item_type in TYPES},
                 _draw_tastes(generator(seed, "tastes"), users))  # fmt: skip


def _draw_items(rng: np.random.Generator, type_: str, count: int) -> dict[str, np.ndarray]:
    names, styles, materials = list(KINDS), list(STYLES), list(MATERIALS)
    kinds = [code for code, name in enumerate(names) if KINDS[name].type == type_]
    columns: dict[str, list[Any]] = {name: [] for name in (*ATTRIBUTES, "price", "in_stock", "word")}
    for row in range(count):
        code = kinds[row % len(kinds)] if row < len(kinds) else kinds[rng.integers(len(kinds))]
        kind = KINDS[names[code]]
        style = _pick(rng, kind.styles)
        material = kind.materials[rng.integers(len(kind.materials))]
        colour = int(rng.integers(len(COLOURS)))
        if names[code] == "jeans":
            colour = list(COLOURS).index(JEANS_COLOURS[rng.integers(len(JEANS_COLOURS))])
        formality = kind.formality + MATERIALS[material].formality
        formality += int(rng.choice([-1, 0, 1], p=[0.03, 0.94, 0.03]))
        season = SEASONS.index(MATERIALS[material].season) + int(rng.choice([-1, 0, 1], p=[0.04, 0.92, 0.04]))
        own = BRANDS_OF_STYLE[styles[style]]
        brand = int(own[rng.integers(len(own))] if rng.random() < 0.7 else rng.integers(len(BRANDS)))
        price = kind.price * MATERIALS[material].price * list(BRANDS.values())[brand].price
        for name, value in {
            "kind": code,
            "colour": colour,
            "pattern": _pick(rng, kind.patterns),
            "material": materials.index(material),
            "style": style,
            "formality": min(max(formality, 0), len(FORMALITIES) - 1),
            "season": season % len(SEASONS),
            "brand": brand,
            "price": int(price * rng.uniform(0.85, 1.15)) + 0.9,
            "in_stock": rng.random() < 0.9,
            "word": rng.integers(len(STYLES[styles[style]])),
        }.items():
            columns[name].append(value)
    drawn = {name: np.array(values) for name, values in columns.items()}
    drawn["popularity"] = np.round(rng.normal(size=count), 3)
    return drawn


def _pick(rng: np.random.Generator, odds: Sequence[int]) -> int:
    return int(rng.choice(len(odds), p=np.array(odds) / sum(odds)))


def _draw_tastes(rng: np.random.Generator, users: int, archetypes: int = 6) -> dict[str, np.ndarray]:
    """A user is a mix of a few archetypes with an individual taste on top; all are equally choosy.

    What all users share is taken away, so that popularity alone explains little.
    """
    mix = rng.dirichlet(np.full(archetypes, 0.25), size=users)
    tastes = {}
    for name, spread in TASTES.items():
        values = len(ATTRIBUTES[name])
        taste = mix @ rng.normal(size=(archetypes, values)) + 0.2 * rng.normal(size=(users, values))
        taste -= taste.mean(axis=0) + taste.mean(axis=1, keepdims=True)
        tastes[name] = np.round(spread * taste / taste.std(axis=1, keepdims=True), 3)
    return tastes


def preference(world: World, item_type: str, users: np.ndarray) -> np.ndarray:
    """(len(users), N) How much each of these users likes each item of a type, compatibility apart."""
    columns = world.items[item_type]
    liked = sum(world.tastes[name][users][:, columns[name]] for name in TASTES)
    return np.asarray(PREFERENCE * liked + POPULARITY * columns["popularity"])


MATCHES = {
    "colour": colour_harmony(),
    "formality": formality_match(),
    "season": season_match(),
    "pattern": pattern_match(),
    "style": style_match(),
}


def compatibility(world: World, slots: Sequence[str], items: np.ndarray) -> np.ndarray:
    """(N,) How well the items of each outfit go together: the mean over its pairs of item types.

    Args:
        world: the world.
        slots: the item type of each slot, length S.
        items: (N, S) rows of items; EMPTY where a slot holds nothing.
    """
    total, count = np.zeros(len(items)), np.zeros(len(items))
    for a, b in slot_pairs(slots):
        there = (items[:, a] != EMPTY) & (items[:, b] != EMPTY)
        first, second = world.items[slots[a]], world.items[slots[b]]
        match = sum(table[first[name][items[:, a]], second[name][items[:, b]]] for name, table in MATCHES.items())
        total += np.where(there, match, 0.0)
        count += there
    return COMPATIBILITY * total / np.maximum(count, 1)


def truth_score(world: World, outfits: Outfits) -> np.ndarray:
    """(N,) float64 The planted score of outfits whose rows are the world's own rows."""
    liked, items = np.zeros(len(outfits)), outfits.items
    users, position_of = np.unique(outfits.users, return_inverse=True)
    for position, slot in enumerate(outfits.slots):
        score = preference(world, slot, users)[position_of, items[:, position]]
        liked += np.where(items[:, position] != EMPTY, score, 0.0)
    return np.asarray(liked / np.maximum(outfits.mask.sum(axis=1), 1) + compatibility(world, outfits.slots, items))


def draw_worn(world: World, slots: Sequence[str], users: np.ndarray, each: int, rng: np.random.Generator) -> Outfits:
    """`each` distinct outfits of each of these users, in random order, user by user.

    A user sees CANDIDATES random outfits for every outfit worn and wears those of the highest planted
    score after Gumbel noise, which is a draw without replacement from their softmax. A second top is an
    outer one (a jumper, a hoodie, a blazer) over an inner one; half of the outfits have it.
    """
    slots = tuple(slots)
    pools = [_slot_pool(world, slots, position) for position in range(len(slots))]
    worn = []
    for user in users:
        items = np.stack([rng.choice(pool, size=each * CANDIDATES) for pool in pools], axis=1)
        for position, slot in enumerate(slots):
            if slot in slots[:position]:
                alone = rng.random(len(items)) < 0.5
                items[alone, position] = EMPTY
                first = slots.index(slot)
                items[alone, first] = rng.integers(world.num_items(slot), size=alone.sum())
        items = rng.permutation(np.unique(items, axis=0))
        if len(items) < each:
            raise DataError(f"too few items for {each} distinct outfits of a user: raise --items")
        score = truth_score(world, Outfits.of(slots, np.full(len(items), user), items))
        best = np.argsort(-(score + NOISE * rng.gumbel(size=len(items))), kind="stable")[:each]
        worn.append(items[rng.permutation(best)])
    return Outfits.of(slots, np.repeat(users, each), np.concatenate(worn))


def _slot_pool(world: World, slots: tuple[str, ...], position: int) -> np.ndarray:
    """The items that a slot may hold in an outfit with two of the type: inner first, outer second."""
    rows = np.arange(world.num_items(slots[position]))
    if slots.count(slots[position]) == 1:
        return rows
    outer = np.array([kind.outer for kind in KINDS.values()])[world.items[slots[position]]["kind"]]
    return np.asarray(rows[outer] if slots[position] in slots[:position] else rows[~outer])


def item_names(item_type: str, count: int) -> list[str]:
    """The image names, which are the item ids, of the items of a type."""
    width = max(4, len(str(count - 1)))
    return [f"{item_type}_{row:0{width}d}.jpg" for row in range(count)]


def item_rows(world: World, item_type: str) -> list[dict[str, str]]:
    """The items of a type as rows of a shop's catalogue: every value as written to `items.csv`."""
    columns, rows = world.items[item_type], []
    for row, name in enumerate(item_names(item_type, world.num_items(item_type))):
        value = {attribute: ATTRIBUTES[attribute][columns[attribute][row]] for attribute in ATTRIBUTES}
        word = STYLES[value["style"]][columns["word"][row]]
        pattern = "" if value["pattern"] == "plain" else value["pattern"] + " "
        title = f"{word} {pattern}{value['colour']} {value['material']} {value['kind']}"
        rows.append(
            {
                "item_id": name,
                "type": item_type,
                "image": f"images/291x291/{name}",
                "title": title[0].upper() + title[1:],
                "description": f"A {value['style']} piece for {value['season']}, "
                f"{value['formality']}, by {value['brand']}.",
                **value,
                "price": f"{columns['price'][row]:.2f}",
                "in_stock": "true" if columns["in_stock"][row] else "false",
            }
        )
    return rows
