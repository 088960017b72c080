"""A made shop: five tables as shops export them, with titles in three languages and users with planted tastes.

    products.csv     sku, category, name, description, colour, brand
    stock.tsv        sku, price, in_stock, sizes
    looks.jsonl.gz   look_id, customer_id, pieces, saved_at
    clicks.csv       customer_id, sku, action, clicked_at
    customers.csv    customer_id, language, city

A user likes some styles and colours; a look that a user saves is the best of random ones by that taste, by how well
its pieces go together (same style, colours that match), and by chance. Letters: N items,
U users, K looks, C candidates.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from fashion_hash.core.files import atomic_folder
from fashion_hash.core.seeds import generator
from fashion_hash.errors import ConfigError, DataError

LANGUAGES = ("en", "de", "fr")
TABLES = ("products.csv", "stock.tsv", "looks.jsonl.gz", "clicks.csv", "customers.csv")

# by item type, the garments in English, German and French; the share of looks with one; its least price
TYPES = {
    "top": ((("shirt", "Hemd", "chemise"), ("sweater", "Pullover", "pull")), 1.0, 25),
    "bottom": ((("trousers", "Hose", "pantalon"), ("skirt", "Rock", "jupe")), 1.0, 40),
    "shoe": ((("sneakers", "Turnschuhe", "baskets"), ("boots", "Stiefel", "bottes")), 1.0, 60),
    "bag": ((("tote bag", "Tragetasche", "cabas"), ("backpack", "Rucksack", "sac à dos")), 0.6, 30),
    "jacket": ((("jacket", "Jacke", "veste"), ("coat", "Mantel", "manteau")), 0.5, 80),
}
STYLES = (
    ("sporty", "sportlich", "sportif"),
    ("elegant", "elegant", "élégant"),
    ("casual", "lässig", "décontracté"),
    ("romantic", "romantisch", "romantique"),
    ("outdoor", "wetterfest", "imperméable"),
    ("vintage", "nostalgisch", "rétro"),
)
COLOURS = (
    ("black", "schwarz", "noir"),
    ("white", "weiß", "blanc"),
    ("navy", "marineblau", "bleu marine"),
    ("red", "rot", "rouge"),
    ("green", "grün", "vert"),
    ("beige", "beige", "beige"),
    ("grey", "grau", "gris"),
    ("yellow", "gelb", "jaune"),
)
MATERIALS = (("cotton", "Baumwolle", "coton"), ("wool", "Wolle", "laine"), ("linen", "Leinen", "lin"))
BRANDS = ("Nordlicht", "Atelier Six", "Halden", "Mira", "Fernweg", "Costa")
CITIES = ("London", "Berlin", "Paris", "Lyon", "Hamburg", "Leeds")

CANDIDATES, NOISE = 24, 0.3
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 600


@dataclass(frozen=True)
class ShopSize:
    """How much of everything a made shop has.

    Attributes:
        items: of all types together.
        users: customers.
        looks_per_user: saved looks of each user.
    """

    items: int = 2000
    users: int = 200
    looks_per_user: int = 40

    def __post_init__(self) -> None:
        for name, least in (("items", 5 * len(TYPES)), ("users", 2), ("looks_per_user", 5)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"{name} of a made shop must be at least {least}, got {value}")


@dataclass(frozen=True)
class _World:
    """Items with their type, style and colour, (N,) each, and the tastes of users: (U, styles), (U, colours)."""

    types: np.ndarray
    styles: np.ndarray
    colours: np.ndarray
    style_taste: np.ndarray
    colour_taste: np.ndarray
    colours_match: np.ndarray  # (colours, colours)


def make_shop(root: str | Path, size: ShopSize | None = None, seed: int = 0, force: bool = False) -> dict[str, int]:
    """Writes the tables of a made shop; the same seed and size give the same bytes.

    Args:
        root: the folder to write.
        size: how much of everything.
        seed: of all random numbers.
        force: replace a made shop in the folder.

    Returns:
        The number of rows of each table.

    Raises:
        DataError: the folder holds other files, or a made shop and `force` is not set.
    """
    root, size = Path(root), size or ShopSize()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        others = sorted(path.name for path in root.iterdir() if path.name not in TABLES) if root.is_dir() else ["it"]
        if others:
            raise DataError(f"{root} holds other files ({', '.join(others[:3])}): name another folder")
        if not force:
            raise DataError(f"{root} holds a made shop: name another folder, or replace it with --force")
    world = _world(size, seed)
    skus = [f"{number:05}" for number in range(10_001, 10_001 + size.items)]
    users = [f"C-{number:04}" for number in range(1, size.users + 1)]
    with atomic_folder(root) as folder:
        rows = {
            "products.csv": _write_delimited(folder / "products.csv", _products(world, skus, seed), ","),
            "stock.tsv": _write_delimited(folder / "stock.tsv", _stock(world, skus, seed), "\t"),
        }
        looks = list(_looks(world, skus, users, size, seed))
        lines = "".join(json.dumps(look) + "\n" for look in looks)
        (folder / "looks.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
        rows["looks.jsonl.gz"] = len(looks)
        rows["clicks.csv"] = _write_delimited(folder / "clicks.csv", _clicks(world, skus, users, seed), ",")
        rows["customers.csv"] = _write_delimited(folder / "customers.csv", _customers(users, seed), ",")
    return rows


def _world(size: ShopSize, seed: int) -> _World:
    rng = generator(seed, "shop", "world")
    match = rng.normal(size=(len(COLOURS), len(COLOURS)))
    return _World(
        types=rng.permutation(np.arange(size.items) % len(TYPES)),
        styles=rng.integers(len(STYLES), size=size.items),
        colours=rng.integers(len(COLOURS), size=size.items),
        style_taste=rng.normal(size=(size.users, len(STYLES))),
        colour_taste=rng.normal(size=(size.users, len(COLOURS))),
        colours_match=(match + match.T) / 2,
    )


def _score(world: _World, user: int, looks: np.ndarray) -> np.ndarray:
    """(K, C) how much a user likes looks (K, C, S) of items, -1 for none."""
    held = looks >= 0
    styles, colours = world.styles[looks], world.colours[looks]
    liked = world.style_taste[user][styles] + 0.7 * world.colour_taste[user][colours]
    score = (liked * held).sum(axis=-1) / held.sum(axis=-1)
    for a in range(looks.shape[-1]):
        for b in range(a):
            both = held[..., a] & held[..., b]
            match = world.colours_match[colours[..., a], colours[..., b]]
            fits = 0.5 * (styles[..., a] == styles[..., b]) + 0.3 * match
            score = score + 0.4 * both * fits
    return np.asarray(score)


def _looks(
    world: _World, skus: Sequence[str], users: Sequence[str], size: ShopSize, seed: int
) -> Iterable[dict[str, object]]:
    rng = generator(seed, "shop", "looks")
    of_type = [np.flatnonzero(world.types == at) for at in range(len(TYPES))]
    shares = [share for _, share, _ in TYPES.values()]
    number = 0
    for user, name in enumerate(users):
        shape = (size.looks_per_user, CANDIDATES)
        drawn = np.stack([rng.choice(items, shape) for items in of_type], axis=-1)
        drawn = np.where((rng.random((size.looks_per_user, len(shares))) < shares)[:, None], drawn, -1)
        best = np.argmax(_score(world, user, drawn) + NOISE * rng.gumbel(size=shape), axis=1)
        for look in drawn[np.arange(len(best)), best]:
            number += 1
            yield {
                "look_id": f"L{number:06}",
                "customer_id": name,
                "pieces": [skus[item] for item in look if item >= 0],
                "saved_at": _moment(rng),
            }


def _clicks(world: _World, skus: Sequence[str], users: Sequence[str], seed: int) -> Iterable[dict[str, object]]:
    rng = generator(seed, "shop", "clicks")
    for user, name in enumerate(users):
        liked = world.style_taste[user][world.styles] + 0.7 * world.colour_taste[user][world.colours]
        for item in np.argsort(-(liked + 2 * rng.gumbel(size=len(skus))))[:20].tolist():
            action = ("click", "like", "purchase")[int(rng.choice(3, p=(0.7, 0.2, 0.1)))]
            yield {"customer_id": name, "sku": skus[item], "action": action, "clicked_at": _moment(rng)}


def _products(world: _World, skus: Sequence[str], seed: int) -> Iterable[dict[str, object]]:
    rng = generator(seed, "shop", "products")
    garments = [garments for garments, _, _ in TYPES.values()]
    for item, sku in enumerate(skus):
        language = int(rng.integers(len(LANGUAGES)))
        kind = garments[world.types[item]][int(rng.integers(2))][language]
        style, colour = STYLES[world.styles[item]][language], COLOURS[world.colours[item]][language]
        material = MATERIALS[int(rng.integers(len(MATERIALS)))][language]
        name = (
            f"{style.capitalize()} {colour} {kind}",
            f"{kind}, {style}, {colour}",
            f"{kind.capitalize()} {style} {colour}",
        )[language]
        yield {
            "sku": sku,
            "category": list(TYPES)[world.types[item]],
            "name": name,
            "description": f"{name}. {material}.",
            "colour": COLOURS[world.colours[item]][0],
            "brand": BRANDS[int(rng.integers(len(BRANDS)))],
        }


def _stock(world: _World, skus: Sequence[str], seed: int) -> Iterable[dict[str, object]]:
    rng = generator(seed, "shop", "stock")
    least = [price for _, _, price in TYPES.values()]
    for item, sku in enumerate(skus):
        price = least[world.types[item]] + int(rng.integers(60)) + 0.95
        sizes = [size for size in ("S", "M", "L", "XL") if rng.random() < 0.7]
        yield {
            "sku": sku,
            "price": f"{price:.2f}",
            "in_stock": str(bool(rng.random() < 0.9)).lower(),
            "sizes": json.dumps(sizes),
        }


def _customers(users: Sequence[str], seed: int) -> Iterable[dict[str, object]]:
    rng = generator(seed, "shop", "customers")
    for name in users:
        language, city = LANGUAGES[int(rng.integers(3))], CITIES[int(rng.integers(len(CITIES)))]
        yield {"customer_id": name, "language": language, "city": city}


def _moment(rng: np.random.Generator) -> str:
    return (START + timedelta(minutes=int(rng.integers(DAYS * 24 * 60)))).isoformat().replace("+00:00", "Z")


def _write_delimited(path: Path, rows: Iterable[dict[str, object]], separator: str) -> int:
    every = list(rows)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(every[0]), delimiter=separator, lineterminator="\n")
        writer.writeheader()
        writer.writerows(every)
    return len(every)
