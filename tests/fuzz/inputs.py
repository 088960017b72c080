"""Tables, feeds, pictures, stores, configurations and pickles, damaged and then read."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fashion_hash.config.experiment import load_experiment
from fashion_hash.data.feeds.google import read_google_feed
from fashion_hash.data.feeds.shopify import read_shopify_csv
from fashion_hash.data.formats.shop import read_items_csv
from fashion_hash.data.load import load_dataset
from fashion_hash.data.parsing.restricted_pickle import load_vectors
from fashion_hash.data.parsing.tables import read_table, table_columns
from fashion_hash.data.stores.decoding import decode
from fashion_hash.data.stores.features import FeatureStore
from fashion_hash.data.stores.lmdb_files import count, iterate_keys, write_lmdb
from fashion_hash.data.stores.picture_sources import TarPictures
from tests.fuzz.mutations import change_bytes
from tests.paths import PROJECT
from tests.worlds.damaged import bad_files, good_files

CELLS = [
    "",
    "7",
    "007",
    "1e5",
    "12E4",
    "nan",
    "-1",
    "9" * 30,
    "true",
    "2026-01-31",
    "[1, 2]",
    '["a"]',
    "a;b",
    "ü",
    '"',
    '""',
    "'",
    "\n",
    "\r",
    "\0",
    "\x1b[31m",
    "\u202e",
    "\ufeff",
    "x" * 70_000,
    ",",
    "\t",
    "{}",
    "null",
    " ",
]
ROWS = [{"item_id": f"i{n}", "type": ["top", "shoe"][n % 2], "title": f"a {n}", "price": n + 0.5} for n in range(8)]
OUTFITS = [{"user_id": f"u{n % 3}", "outfit_id": f"o{n}", "item_ids": f"i{n % 8} i{(n + 1) % 8}"} for n in range(12)]
FEED = b"""<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>s</title>
<item><g:id>1</g:id><g:title>Shirt &amp; tie</g:title><g:price>5.00 EUR</g:price><g:color>red</g:color>
<g:item_group_id>g1</g:item_group_id><g:google_product_category>Apparel &gt; Shirts</g:google_product_category></item>
<item><g:id>2</g:id><g:title>Shoe</g:title><g:price>9 EUR</g:price><g:availability>in stock</g:availability></item>
</channel></rss>"""
SHOPIFY = b"""Handle,Title,Body (HTML),Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src
shirt,Shirt,<p>nice <b>thing</b></p>,Shirts,Colour,Red,s1,10.00,http://x/1.jpg
shirt,,,,,Blue,s2,11.00,
boot,Boot,plain,Boots,Size,38,b1,60,
"""


def _csv(rows: list[dict[str, Any]], separator: str, rng: Random | None = None) -> bytes:
    lines = [list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
    if rng is not None:
        for _ in range(rng.choice([0, 1, 1, 3])):
            line = rng.choice(lines)
            if line:
                line[rng.randrange(len(line))] = rng.choice(CELLS)
        if rng.random() < 0.2:
            rng.choice(lines).append("more")
        if rng.random() < 0.1:
            rng.choice(lines).clear()
    return "".join(separator.join(line) + "\n" for line in lines).encode()


def _json(rows: list[dict[str, Any]], rng: Random) -> bytes:
    rows = [dict(row) for row in rows]
    for _ in range(rng.choice([0, 1, 1, 3])):
        row = rng.choice(rows)
        values: list[Any] = [*CELLS, None, True, 5, -(10**40), 1e308, float("nan"), [], [[1]], {"a": 1}, [None]]
        row[rng.choice(["item_id", "type", "price", "new"])] = rng.choice(values)
    lines = [json.dumps(row) for row in rows]
    if rng.random() < 0.3:
        return f"[{', '.join(lines)}]".encode()
    return ("\n".join(lines) + "\n").encode()


@cache
def _parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), stream)
    return stream.getvalue()


def _maybe(rng: Random, content: bytes) -> bytes:
    return change_bytes(rng, content) if rng.random() < 0.6 else content


def tables(rng: Random, folder: Path) -> None:
    """Tables of every form."""
    form = rng.choice(["csv", "tsv", "jsonl", "json", "parquet"])
    separator = {"tsv": "\t"}.get(form, rng.choice([",", ",", ";", "|"]))
    content = _parquet() if form == "parquet" else _json(ROWS, rng) if "json" in form else _csv(ROWS, separator, rng)
    content = change_bytes(rng, content) if form == "parquet" else _maybe(rng, content)
    name = f"items.{form}"
    if rng.random() < 0.25:
        content, name = gzip.compress(content), f"{name}.gz"
        content = _maybe(rng, content)
    (folder / name).write_bytes(content)
    table_columns(folder / name)
    list(read_table(folder / name))
    if form == "csv" and name.endswith("csv"):
        read_items_csv(folder / name)


def shops(rng: Random, folder: Path) -> None:
    """A shop of two tables, read as a data set."""
    for name, rows in (("items", ROWS), ("outfits", OUTFITS)):
        form = rng.choice(["csv", "csv", "jsonl"])
        content = _csv(rows, ",", rng) if form == "csv" else _json(rows, rng)
        (folder / f"{name}.{form}").write_bytes(_maybe(rng, content) if rng.random() < 0.3 else content)
    load_dataset("shop", folder)


def polyvore(rng: Random, folder: Path) -> None:
    """The sample in its published form."""
    root = shutil.copytree(PROJECT / "polyvore_data/tuples_32", folder / "tuples_32")
    file = rng.choice(sorted(path for path in root.iterdir() if path.is_file()))
    lines = file.read_bytes().split(b"\n")
    if rng.random() < 0.5:
        place = rng.randrange(len(lines))
        cells = lines[place].split(b",")
        cells[rng.randrange(len(cells))] = rng.choice(CELLS).encode()
        lines[place] = b",".join(cells)
        file.write_bytes(b"\n".join(lines))
    else:
        file.write_bytes(change_bytes(rng, file.read_bytes()))
    load_dataset("polyvore_u", folder)


def feeds(rng: Random, folder: Path) -> None:
    """Feeds of products."""
    if rng.random() < 0.5:
        content = FEED
        if rng.random() < 0.2:
            bomb = b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'"><!ENTITY b "' + b"&a;" * 1000 + b'">]>'
            content = content.replace(b"<rss", bomb + b"<rss").replace(b"Shirt", b"&b;" * rng.choice([1, 1000]))
        (folder / "feed.xml").write_bytes(_maybe(rng, content))
        list(read_google_feed(folder / "feed.xml"))
    else:
        rows = [line.split(b",") for line in SHOPIFY.splitlines()]
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice([*CELLS, "<" * 5000, "<p>" * 20_000, "&#99999999;"]).encode()
        (folder / "products.csv").write_bytes(_maybe(rng, b"\n".join(b",".join(line) for line in rows)))
        list(read_shopify_csv(folder / "products.csv"))


@cache
def _pictures() -> list[bytes]:
    files = [content for content, _ in bad_files().values()] + list(good_files().values())
    return [content for content in files if content]


def pictures(rng: Random, folder: Path) -> None:
    """Pictures of every form."""
    content = rng.choice(_pictures())
    for _ in range(rng.choice([1, 1, 2])):
        content = change_bytes(rng, content)
    decode(content)


@cache
def _archive(mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for number in range(12):
            member, content = tarfile.TarInfo(f"a/{number}.jpg"), Random(number).randbytes(3000)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def archives(rng: Random, folder: Path) -> None:
    """Tar archives of pictures, plain and compressed."""
    content = _archive(rng.choice(["w", "w:gz", "w:bz2", "w:xz"]))
    for _ in range(rng.choice([1, 1, 3])):
        content = change_bytes(rng, content)
    (folder / "pictures.tar").write_bytes(content)
    pictures = TarPictures(folder / "pictures.tar")
    for key in pictures.list().keys:
        pictures.get(key)


def stores(rng: Random, folder: Path) -> None:
    """LMDB stores of features."""
    path, about = folder / "store", json.dumps({"fingerprint": "x", "dim": 3})
    vectors = [(f"k{number}", np.ones(3, dtype="<f4").tobytes() * rng.choice([1, 1, 400])) for number in range(60)]
    write_lmdb(path, [("__features__", about.encode()), *vectors])
    file = path / "data.mdb"
    content = file.read_bytes()
    for _ in range(rng.choice([1, 1, 3])):
        if rng.random() < 0.6 and content:
            data, page = bytearray(content), 4096 * rng.randrange(max(1, len(content) // 4096))
            for _ in range(rng.choice([1, 2, 6])):
                place = page + rng.randrange(rng.choice([16, 64, 4096]))
                if place < len(data):
                    data[place] = rng.randrange(256)
            content = bytes(data)
        else:
            content = change_bytes(rng, content)
    file.write_bytes(content)
    count(path)
    keys = list(iterate_keys(path))
    store = FeatureStore(path)
    store.get(keys[0] if keys else "k1")


YAML = [
    "null",
    "[]",
    "{}",
    "[[[]]]",
    "1e400",
    "2026-01-01",
    "0x7fffffffffffffff",
    ".nan",
    "-1",
    "yes",
    "'x'",
    "~",
    "&a [*a]",
    "!!python/object:os.system x",
    "!!binary aGk=",
    "? [a]: b",
    "9" * 5000,
    "*x",
    "<<: {a: 1}",
    "0",
    "2**40",
]


def configurations(rng: Random, folder: Path) -> None:
    """Configurations of experiments."""
    text = rng.choice(sorted((PROJECT / "configs").glob("*.yaml"))).read_text()
    lines = text.split("\n")
    for _ in range(rng.choice([1, 1, 3])):
        place = rng.randrange(len(lines))
        key, colon, _ = lines[place].partition(":")
        kind = rng.randrange(4)
        if kind == 0 and colon:
            lines[place] = f"{key}: {rng.choice(YAML)}"
        elif kind == 1:
            lines[place] = "  " * rng.randrange(4) + lines[place].strip()
        elif kind == 2:
            lines.insert(place, lines[rng.randrange(len(lines))])
        else:
            lines[place] = rng.choice(
                ["[" * 3000, "- " * 500, "a: " * 5, f"x{place}: 1", "\t", "%YAML 9", "---", "..."]
            )
    content = "\n".join(lines).encode()
    (folder / "run.yaml").write_bytes(change_bytes(rng, content) if rng.random() < 0.2 else content)
    overrides = [f"train.{rng.choice(['epochs', 'lr', 'x', ''])}={rng.choice(YAML)}"] if rng.random() < 0.3 else []
    load_experiment(folder / "run.yaml", overrides)


def pickles(rng: Random, folder: Path) -> None:
    """Pickles of vectors."""
    vectors: list[Any] = [np.ones(4, dtype=rng.choice(["f2", "f4", "f8", ">f4"])), [1.0, 2, 3], (0.5,) * 3]
    value: Any = {f"k{number}": rng.choice(vectors) for number in range(rng.choice([1, 4]))}
    content = pickle.dumps(value, protocol=rng.randrange(6))
    for _ in range(rng.choice([1, 1, 2, 5])):
        if rng.random() < 0.5:
            operation = rng.choice(
                [
                    b"(",
                    b"}",
                    b"]",
                    b"l",
                    b"t",
                    b"s",
                    b"u",
                    b"2",
                    b"0",
                    b"r\xff\xff\xff\x7f",
                    b"q\xff",
                    b"\x85",
                    b"\x94",
                    b"B\xff\xff\xff\x7f",
                    b"X\xff\xff\xff\x7f",
                    b"\x8e" + b"\xff" * 7 + b"\x7f",
                    b"cos\nsystem\n",
                    b"R",
                    b"b",
                    b"\x81",
                    b"j\0\0\0\0",
                    b"h\0",
                    b"(" * 5000,
                    b"]" * 5000,
                ]
            )
            place = rng.randrange(len(content) + 1)
            content = content[:place] + operation + content[place:]
        else:
            content = change_bytes(rng, content)
    (folder / "vectors.pkl").write_bytes(content)
    load_vectors(folder / "vectors.pkl")


TARGETS: dict[str, Callable[[Random, Path], None]] = {
    "tables": tables,
    "shops": shops,
    "polyvore": polyvore,
    "feeds": feeds,
    "pictures": pictures,
    "archives": archives,
    "stores": stores,
    "configurations": configurations,
    "pickles": pickles,
}


class Inputs:
    """Runs a case in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "input"

    def case(self, target: str, rng: Random) -> str:
        """Returns "read" when the damage did no harm."""
        self._folder.mkdir()
        try:
            TARGETS[target](rng, self._folder)
            return "read"
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
