"""Codes in databases: real PostgreSQL and DuckDB give the answers of the bundle, to the last bit and tie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fashion_hash import cli
from fashion_hash.core.manifest import read_manifest
from fashion_hash.errors import BundleError, QueryError
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.exported import duckdb_file, tables
from fashion_hash.retrieval.exported.export import FORMAT, FORMAT_VERSION, export_codes
from fashion_hash.retrieval.exported.queries import planes
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.encoder_bundles import encoder_bundle
from tests.worlds.postgres import postgres, programs
from tests.worlds.random_bundles import random_bundle, random_pool

FOUR = ("top", "top", "bottom", "shoe")
WORLDS = {
    "plain": {"biased": True, "num_bits": 24},
    "ties": {"num_bits": 8, "variant": "T0", "num_users": 3},
    "own": {"slots": FOUR, "num_modalities": 2, "biased": True, "own": 40},
    "sets": {"slots": ("item",) * 3, "num_bits": 72},
    "single": {"slots": ("hat",), "variant": "T1", "own": 10},
    "repeated": {"slots": FOUR, "repeat_empty": True, "biased": True},
    "bytes": {"slots": FOUR, "num_modalities": 2, "own": 40, "user_form": "bytes"},
    "floats": {"user_form": "floats", "num_bits": 72},
    "heavy": {"preference_weights": np.array([32767.9, -32767.9] * 8), "slots": FOUR},
}
PRICED = """
SELECT s.outfit_id, s.score FROM outfit_scores('user-1') s
WHERE s.opinion IS NULL AND NOT EXISTS (
  SELECT 1 FROM outfit_items o JOIN items i ON i.item_no = o.item_no
  WHERE o.outfit_no = s.outfit_no AND NOT coalesce((i.details->>'price')::float8 < 60, false)
)
ORDER BY s.score DESC, s.outfit_no LIMIT 50"""
WRONG_TERMS = """
SELECT count(*) FROM outfits o JOIN outfit_terms t ON t.outfit_no = o.outfit_no
WHERE o.compatibility <> t.compatibility OR o.bias <> t.bias
  OR o.num_items <> t.num_items OR o.num_pairs <> t.num_pairs"""


def world(folder: Path, name: str) -> Recommender:
    rng = np.random.default_rng(3)
    options = WORLDS[name]
    slots = options.get("slots", ("top", "bottom", "shoe"))
    kinds = dict.fromkeys(slots)
    details = {
        kind: {
            f"{kind}-{row}": {"title": f'A "fine"\n{kind}, é', "price": float(rng.integers(100))} for row in range(30)
        }
        for kind in kinds
    }
    bundle = random_bundle(folder / name, **options, details=details)
    build_index(bundle, random_pool(bundle, 200), [f"look-{number}" for number in range(200)])
    return Recommender.load(bundle.path)


def changed(recommender: Recommender) -> Recommender:
    """A catalogue that was told a lot since its export."""
    items = [{"item_id": "new-shoe", "type": "shoe", "code": [[1] * 24], "title": "New", "price": 5.0}]
    recommender.add_items(items)
    recommender.add_outfits({"look-100b": {"top": "top-1", "shoe": "new-shoe"}, "a": {"bottom": "bottom-2"}})
    recommender.remove_items({"top": ["top-3"]})
    recommender.update_items([{"item_id": "top-5", "type": "top", "price": 1.0}])
    recommender.hide_items({"top": ["top-4"]})
    recommender.add_user("eve", liked=["look-7", "a"], disliked=["look-8"])
    recommender.update_user("user-1", liked=["look-9"], disliked=["look-10"])
    row = int(recommender.pool.liked(0)[0])
    recommender.update_user("user-0", disliked=[recommender.pool.ids.id(row)])  # liked before
    recommender.remove_user("user-2")
    return recommender


def expected(recommender: Recommender, user: str | None, **options) -> list[tuple[str, float]]:
    ids, scores = recommender.recommend(user, 300, **options)
    return list(zip(ids.tolist(), scores.tolist()))


def users(recommender: Recommender) -> list[str | None]:
    told = recommender.live.ask(lambda store: store.users()) or []
    return [*dict.fromkeys([*recommender.bundle.users.all(), *told]), None]


def duckdb_answers(connection, recommender: Recommender) -> None:
    for user in users(recommender):
        got = connection.execute("SELECT * FROM recommend(?, 300)", [user]).fetchall()
        assert got == expected(recommender, user), user
    assert connection.execute("SELECT * FROM recommend('nobody', 3)").fetchall() == []
    assert connection.execute(WRONG_TERMS).fetchall() == [(0,)]
    priced = expected(recommender, "user-1", where={"price": {"<": 60}})[:50]
    assert connection.execute(PRICED).fetchall() == priced
    assert priced


@pytest.mark.parametrize("name", ["own", "bytes", "changed"])
def test_duckdb_answers_as_the_bundle(tmp_path, monkeypatch, name):
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.setattr(tables, "CHUNK", 4)
    recommender = changed(world(tmp_path, "plain")) if name == "changed" else world(tmp_path, name)
    bundle = recommender.bundle.root
    counts = export_codes(bundle, "duckdb", tmp_path / "codes.duckdb")
    assert counts.outfits == len(recommender)
    with duckdb.connect(str(tmp_path / "codes.duckdb"), read_only=True) as connection:
        duckdb_answers(connection, recommender)
    if name == "changed":
        export_codes(bundle, "parquet", tmp_path / "codes")
        with duckdb.connect() as connection:
            connection.execute(f"SET file_search_path = '{tmp_path / 'codes'}'")
            connection.execute((tmp_path / "codes/query.sql").read_text())
            duckdb_answers(connection, recommender)


def test_what_a_killed_export_left_is_removed(tmp_path, monkeypatch):
    pytest.importorskip("duckdb")
    bundle, seen = world(tmp_path, "plain").bundle.root, []
    write = duckdb_file.write_tables

    def watched(folder, tables):
        seen.append(folder)
        write(folder, tables)

    monkeypatch.setattr(duckdb_file, "write_tables", watched)
    export_codes(bundle, "duckdb", tmp_path / "codes.duckdb")
    seen[0].mkdir()  # as if it had been killed there
    export_codes(bundle, "duckdb", tmp_path / "codes.duckdb")
    assert not seen[0].exists()
    assert {path.name for path in tmp_path.iterdir()} == {"codes.duckdb", bundle.name}


def test_postgres_answers_as_the_bundle(tmp_path):
    if (found := programs()) is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    with postgres(found) as server:
        for name in [*WORLDS, "changed"]:
            recommender = world(tmp_path / name, "plain" if name == "changed" else name)
            if name == "changed":
                changed(recommender)
            export_codes(recommender.bundle.root, "postgres", tmp_path / name / "codes")
            server.run("load.sql", tmp_path / name / "codes", "-v", f"schema={name}")
            asked = users(recommender)
            queries = [f"SELECT * FROM recommend({'NULL' if user is None else repr(user)}, 300)" for user in asked]
            *lists, nobody, wrong, priced = server.ask(
                name, *queries, "SELECT * FROM recommend('nobody', 3)", WRONG_TERMS, PRICED
            )
            for user, rows in zip(asked, lists, strict=True):
                got = [(outfit_id, float(score)) for outfit_id, score in rows]
                assert got == expected(recommender, user), (name, user)
            assert (nobody, wrong) == ([], [["0"]])
            got = [(outfit_id, float(score)) for outfit_id, score in priced]
            assert got == expected(recommender, "user-1", where={"price": {"<": 60}})[:50]


def test_steps_add_up_to_the_weights():
    rng = np.random.default_rng(0)
    for weights in (
        rng.integers(-(2**31), 2**31, 64),
        rng.integers(0, 3, 64),
        np.full(16, -7),
        np.zeros(8, dtype=np.int64),
    ):
        parts = planes(weights)
        assert (sum((step * mask.astype(np.int64) for step, mask in parts), 0 * weights) == weights).all()
        assert len(parts) <= 33
    assert len(planes(np.full(128, 65536))) == 1


def test_the_command_writes_a_folder_with_checksums(tmp_path, capsys):
    bundle = world(tmp_path, "plain").bundle.root
    out = tmp_path / "codes"
    command = ["export-codes", str(bundle), "--to", "parquet", "--out", str(out)]
    assert cli.main(command) == 0
    assert "5 users, 99 items, 200 outfits" in capsys.readouterr().out
    manifest = read_manifest(out, FORMAT, FORMAT_VERSION, verify=True)
    assert manifest["bundle"] == Recommender.load(bundle).bundle.fingerprint
    assert cli.main(command) == 0  # replaced
    changed_byte = bytearray((out / "users.parquet").read_bytes())
    changed_byte[10] ^= 1
    (out / "users.parquet").write_bytes(changed_byte)
    with pytest.raises(BundleError, match="does not match its checksum"):
        read_manifest(out, FORMAT, FORMAT_VERSION, verify=True)
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(out / "items.parquet").to_pylist()
    assert json.loads(rows[0]["details"])["title"] == 'A "fine"\ntop, é'


def test_what_is_not_ours_stays(tmp_path):
    bundle = world(tmp_path, "plain").bundle.root
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("mine")
    for to, place in (("parquet", "notes"), ("postgres", "notes/mine.txt")):
        with pytest.raises(QueryError, match="was not written by this export"):
            export_codes(bundle, to, tmp_path / place)
    with pytest.raises(QueryError, match=r"no target 'duckbd'.*nearest: 'duckdb'"):
        export_codes(bundle, "duckbd", tmp_path / "new")
    pytest.importorskip("duckdb")
    with pytest.raises(QueryError, match="was not written by this export"):
        export_codes(bundle, "duckdb", tmp_path / "notes/mine.txt")
    assert (tmp_path / "notes/mine.txt").read_text() == "mine"


def test_bundles_of_vectors_are_refused(tmp_path):
    bundle = encoder_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 10))
    with pytest.raises(QueryError, match="only bundles that score by codes are exported"):
        export_codes(bundle.path, "parquet", tmp_path / "out")
    assert not (tmp_path / "out").exists()
