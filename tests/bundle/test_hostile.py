"""Files of a bundle that someone else has changed, checksums included: one error, at once, whatever they hold."""

import hashlib
import json
import sqlite3
from contextlib import closing
from itertools import permutations

import numpy as np
import pytest

from fashion_hash.bundle import sqlite_files
from fashion_hash.core.manifest import seal
from fashion_hash.errors import BundleError
from fashion_hash.index import partners
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import open_partners
from fashion_hash.retrieval.filters.columns import read_details
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool


@pytest.fixture
def bundle(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", num_items=40)
    build_index(bundle, random_pool(bundle, 30))
    return bundle


def ask(path):
    """Whatever reads the catalogue and the live changes of a bundle."""
    recommender = Recommender.load(path, verify=False)
    user = recommender.bundle.users.id(0)
    recommender.recommend(user, 3)
    item_type = recommender.bundle.types[0]
    for row in range(len(recommender.bundle.items[item_type])):
        recommender.bundle.catalogue.item(item_type, row)
        recommender.bundle.catalogue.picture(item_type, row)
    read_details(recommender.bundle.path / "catalogue.sqlite", item_type)


FOREIGN = {
    "a view": "ALTER TABLE items RENAME TO real; CREATE VIEW items AS SELECT * FROM real",
    "an endless view": """ALTER TABLE items RENAME TO real; CREATE VIEW items AS
        WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT 'top' type, x row FROM n""",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM items; END",
    "no table": "DROP TABLE items",
    "other columns": "ALTER TABLE items RENAME COLUMN title TO other",
    "a column more": "ALTER TABLE items ADD COLUMN more TEXT",
    "shifted columns": """ALTER TABLE items RENAME TO old; CREATE TABLE items (type TEXT, row INTEGER, title TEXT,
        item_id TEXT, details TEXT, picture BLOB); INSERT INTO items SELECT * FROM old""",
    "an index that calls": "CREATE INDEX more ON items (length(title))",
    "details that are a list": "UPDATE items SET details = '[1]'",
    "details of two items": "UPDATE items SET details = '{}, {}'",
    "details of bytes": "UPDATE items SET details = x'00'",
    "details that are deep": "UPDATE items SET details = '" + "[" * 20_000 + "'",
    "details that are no JSON": "UPDATE items SET details = 'NaN,'",
    "an id of bytes": "UPDATE items SET item_id = x'ff00'",
    "a text that is not UTF-8": "UPDATE items SET title = CAST(x'ff' AS TEXT)",
    "a title of bytes": "UPDATE items SET title = x'00'",
    "a picture of text": "UPDATE items SET picture = 'text'",
    "no rows": "DELETE FROM items",
    "rows apart": "UPDATE items SET row = -row - 1",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_catalogue_is_refused(bundle, what):
    ask(bundle.path)
    with closing(sqlite3.connect(bundle.path / "catalogue.sqlite")) as connection:
        connection.executescript(FOREIGN[what])
    reseal(bundle.path)
    with pytest.raises(BundleError, match=r"catalogue\.sqlite"):
        ask(bundle.path)


def reseal(path):
    """The manifest as it would be with these files; the index still fits, since it names the fingerprint."""
    manifest = json.loads((path / "manifest.json").read_text())
    facts = manifest["files"]["catalogue.sqlite"]
    data = (path / "catalogue.sqlite").read_bytes()
    facts.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    write_manifest(path, manifest)


def write_manifest(path, manifest):
    manifest.pop("fingerprint", None)
    fingerprint = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    (path / "manifest.json").write_text(json.dumps({**manifest, "fingerprint": fingerprint}))
    for folder in (path / "index", path / "tables"):
        old = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").unlink()
        seal(folder, {**{k: v for k, v in old.items() if k not in ("files", "fingerprint")}, "bundle": fingerprint})


def test_a_query_ends_in_time(monkeypatch):
    monkeypatch.setattr(sqlite_files, "SECONDS", 0.05)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        sqlite_files.limited(connection),
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
    ):
        connection.execute(endless).fetchall()


LIVE = {
    "a view": "ALTER TABLE log RENAME TO real; CREATE VIEW log AS SELECT * FROM real",
    "other columns": "ALTER TABLE users ADD COLUMN more TEXT",
    "a later table that is missing": "DROP TABLE hidden",
    "a later table with other columns": "ALTER TABLE removed_users ADD COLUMN more TEXT",
    "no generation": "DELETE FROM meta WHERE key = 'generation'",
    "a generation of words": "UPDATE meta SET value = 'x' WHERE key = 'generation'",
    "a folded entry of words": "INSERT INTO meta VALUES ('folded', 'x')",
    "no bundle": "DELETE FROM meta WHERE key = 'bundle'",
    "an unknown operation": "UPDATE log SET op = 'explode'",
    "no ids": "UPDATE log SET ids = '{}'",
    "deep ids": "UPDATE log SET ids = '" + "[" * 20_000 + "'",
    "numbers as ids": "UPDATE log SET ids = '[1]'",
    "ids that are no text": "UPDATE log SET ids = '[\"\\ud800\"]'",
    "more ids than outfits": 'UPDATE log SET ids = \'["a", "b"]\'',
    "short records": "UPDATE log SET data = x'0000'",
    "no records": "UPDATE log SET data = NULL",
    "items that are not there": "UPDATE log SET data = CAST(x'ffffff7f' || substr(data, 5) AS BLOB)",
    "outfits of no items": "UPDATE log SET data = zeroblob(length(data))",
    "an unknown type": "UPDATE log SET op = 'add_items', kind = 'hat'",
    "an unknown type to remove": "UPDATE log SET op = 'remove_items', kind = 'hat', data = zeroblob(8)",
    "rows to remove that are not there": "UPDATE log SET op = 'remove_items', kind = 'top', data = x'ffffffffffffff7f'",
    "outfits to remove that are not there": "UPDATE log SET op = 'remove_outfits'",
    "codes of items that are not there": "UPDATE log SET op = 'update_items', kind = 'top', data = x'ff'",
    "hidden items that are not there": "INSERT INTO hidden VALUES ('top', 99)",
    "hidden items of an unknown type": "INSERT INTO hidden VALUES ('hat', 0)",
    "hidden rows of texts": "INSERT INTO hidden VALUES ('top', 'x')",
    "removed users that are not there": "INSERT INTO removed_users VALUES (-1)",
    "columns of an unknown type": "INSERT INTO columns VALUES ('price', 'money')",
    "a user of other bits": "UPDATE users SET code = x'00'",
    "a user of other items": "UPDATE users SET liked = CAST(x'ffffff7f' || substr(liked, 5) AS BLOB)",
    "a user of half an outfit": "UPDATE users SET liked = x'0000'",
    "a user of texts": "UPDATE users SET liked = 'text'",
}


@pytest.mark.parametrize("what", LIVE)
def test_foreign_changes_are_refused(bundle, what):
    recommender = Recommender.load(bundle.path)
    top = bundle.items["top"].id(0)
    recommender.add_outfits({"new": {"top": top}})
    recommender.add_user("someone", liked=[{"top": top}])
    recommender.close()
    with closing(sqlite3.connect(bundle.path / "live/live.sqlite")) as connection:
        connection.executescript(LIVE[what])
    with pytest.raises(BundleError, match=r"live\.sqlite"):
        Recommender.load(bundle.path, verify=False).recommend("someone", 3, where={"price": 1})


REVISIONS = {
    "a row of texts": "UPDATE revisions SET row = 'x'",
    "a row that is not there": "UPDATE revisions SET row = 99",
    "details that are a list": "UPDATE revisions SET details = '[]'",
    "a title of bytes": "UPDATE revisions SET title = x'00'",
}


@pytest.mark.parametrize("what", REVISIONS)
def test_foreign_updates_are_refused(bundle, what):
    recommender = Recommender.load(bundle.path)
    recommender.update_items([{"item_id": bundle.items["top"].id(0), "type": "top", "price": 1}])
    recommender.close()
    with closing(sqlite3.connect(bundle.path / "live/live.sqlite")) as connection:
        connection.executescript(REVISIONS[what])
    with pytest.raises(BundleError, match=r"live\.sqlite"):
        Recommender.load(bundle.path, verify=False).recommend(bundle.users.id(0), 3, where={"price": 1})


CATALOGUE_CELLS = {
    "a title of bytes": "UPDATE items SET title = x'00'",
    "details of bytes": "UPDATE items SET details = x'00'",
    "details that are a list": "UPDATE items SET details = '[1]'",
    "no rows": "DELETE FROM items",
}


@pytest.mark.parametrize("what", CATALOGUE_CELLS)
def test_an_update_reads_no_foreign_lines(bundle, what):
    item_type = bundle.types[0]
    with closing(sqlite3.connect(bundle.path / "catalogue.sqlite")) as connection:
        connection.executescript(CATALOGUE_CELLS[what])
    reseal(bundle.path)
    recommender = Recommender.load(bundle.path, verify=False)
    with pytest.raises(BundleError, match="catalogue"):
        recommender.update_items([{"item_id": bundle.items[item_type].id(0), "type": item_type, "title": "new"}])


MANIFESTS = {
    "name": 7,
    "slots": "top",
    "modalities": [1],
    "num_bits": 2**40,
    "preference_scale": "10",
    "compatibility_scale": None,
    "repeat_empty": 1,
    "files": [],
}


@pytest.mark.parametrize("key", MANIFESTS)
def test_a_foreign_manifest_is_refused(bundle, key):
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    write_manifest(bundle.path, {**manifest, "unknown to this release": {}})
    assert len(Recommender.load(bundle.path)) == 30
    for value in (MANIFESTS[key], {"a": [True]}, -1, True, None):
        if (key, value) == ("repeat_empty", True):
            continue
        write_manifest(bundle.path, {**manifest, key: value})
        with pytest.raises(BundleError, match=r"manifest\.json"):
            Recommender.load(bundle.path)


def test_a_manifest_names_files_of_its_folder_only(bundle):
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    for name in ("../index/outfits.npy", "/etc/passwd", "a\0b"):
        for facts in ({"bytes": 1, "sha256": "0"}, 7):
            write_manifest(bundle.path, {**manifest, "files": {name: facts}})
            with pytest.raises(BundleError, match=r"manifest\.json"):
                Recommender.load(bundle.path)
    (bundle.path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(BundleError, match="not readable JSON"):
        Recommender.load(bundle.path)


ROWS = [
    "ids/users.order.npy",
    "history/users.npy",
    "history/items.npy",
    "index/outfits.npy",
    "index/liked.rows.npy",
    "index/liked.offsets.npy",
    "index/ids.order.npy",
]


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("value", [-2, 2**31 - 1])
def test_rows_that_are_not_there_are_refused(bundle, name, value):
    array = np.load(bundle.path / name)
    array.reshape(-1)[len(array) // 2] = value
    np.save(bundle.path / name, array)
    with pytest.raises(BundleError, match=name.rpartition("/")[2]):
        Recommender.load(bundle.path, verify=False)


def test_partners_that_are_not_there_are_refused(bundle):
    folder = bundle.path / "partners"
    folder.mkdir()
    for a, b in permutations(range(len(bundle.types)), 2):
        for name, dtype in (("rows", np.int32), ("values", np.float32)):
            table = np.zeros((len(bundle.items[bundle.types[a]]), 2), dtype)
            np.save(folder / f"{a}.{b}.{name}.npy", table)
    seal(folder, {"format": partners.FORMAT, "format_version": 1, "bundle": bundle.fingerprint})
    assert open_partners(bundle)
    table = np.load(folder / "0.1.rows.npy")
    table[0, 0] = 10**6
    np.save(folder / "0.1.rows.npy", table)
    with pytest.raises(BundleError, match=r"0\.1\.rows\.npy"):
        open_partners(bundle, verify=False)
