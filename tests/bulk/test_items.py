"""Codes of new items in parts: those that add_items gives them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bulk.items import ItemCodes
from fashion_hash.bulk.jobs import run_job
from fashion_hash.bulk.pictures import OpenEncoder, PictureVectors
from fashion_hash.cli import main
from fashion_hash.data.parsing.tables import read_table
from fashion_hash.errors import BundleError, DataError, FashionHashError, FeatureError, QueryError
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.jobs_world import NewItems
from tests.worlds.pages_world import pages_bundle
from tests.worlds.picture_world import pictured_encoder_contents
from tests.worlds.words_world import words_bundle

pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> NewItems:
    return NewItems(tmp_path_factory.mktemp("new"))


@pytest.fixture(scope="module")
def vectors(new: NewItems, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vectors") / "out"
    run_job(PictureVectors.of(new.pictures, OpenEncoder("descriptors")), out)
    return out


def rows_of(folder: Path) -> list[dict]:
    return [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def as_added(bundle: Path, new: NewItems) -> list[tuple[bytes, np.ndarray]]:
    """The packed code and the encoded numbers that each item gets in a live catalogue."""
    recommender, rows = Recommender.load(bundle), [row for _, row in read_table(new.table)]
    for row in rows:
        name = row.pop("picture")
        if name and name != "8.jpg":  # half of a picture is refused there
            row["picture"] = new.pictures / name
    recommender.add_items(rows)
    now, codes = recommender.bundle, []
    for row in rows:
        place = now.items[row["type"]].row(row["item_id"])
        encoded = now.encoded_items.get(row["type"], np.zeros((place + 1, 0)))[place]
        codes.append((now.item_codes[row["type"]][place, 0].tobytes(), encoded))
    return codes


@pytest.mark.parametrize("contents", [None, pictured_encoder_contents])
def test_codes_are_those_of_added_items(new: NewItems, vectors: Path, tmp_path: Path, contents: object) -> None:
    bundle = tmp_path / "bundle"
    if contents is None:
        shutil.copytree(new.bundle, bundle)
    else:
        pages_bundle(bundle, contents)  # type: ignore[arg-type]
    for name, given in (("pictures", (new.pictures, None)), ("vectors", (None, vectors))):
        run_job(ItemCodes.of(bundle, new.table, *given, items_a_part=3), tmp_path / name)
    rows, by_vectors = rows_of(tmp_path / "pictures"), rows_of(tmp_path / "vectors")
    assert [row["item_id"] for row in rows] == [f"new-{number}" for number in range(10)]
    assert [number for number, row in enumerate(rows) if row["reason"]] == [8]
    assert rows[8].pop("reason").startswith("picture 8.jpg: cannot decode")
    assert by_vectors[8].pop("reason") == "picture 8.jpg: it has no vector"
    assert rows == by_vectors
    modality = "image" if contents is None else "outfit"
    for row, (code, encoded) in zip(rows, as_added(bundle, new)):
        assert row[modality] == code
        assert row.get("encoded", []) == pytest.approx(
            encoded.tolist(), rel=1e-4, abs=1e-5
        )  # sums of floats in batches
    assert len({row[modality] for row in rows}) > 3


def test_parts_may_be_asked_for_in_any_order(new: NewItems) -> None:
    job = ItemCodes.of(new.bundle, new.table, items_a_part=3)
    ids = [job.table(part)["item_id"].to_pylist() for part in (2, 0, 0, 3, 1)]
    assert ids == [
        [f"new-{number}" for number in numbers] for numbers in ((6, 7, 8), (0, 1, 2), (0, 1, 2), (9,), (3, 4, 5))
    ]
    assert not any(job.table(0)["reason"].to_pylist())  # no pictures were asked for


def test_a_table_that_changes_stops_the_job(new: NewItems, tmp_path: Path) -> None:
    table = tmp_path / "items.csv"
    table.write_text("item_id,type\na,top\n")
    job = ItemCodes.of(new.bundle, table)
    table.write_text("item_id,type\na,shoe\nb,top\n")
    with pytest.raises(BundleError, match="was changed since the job began"):
        run_job(job, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("item_id,type\na,top\nb,top\na,shoe\n", DataError, r"items.csv:4: item_id 'a' occurs twice"),
        ("item_id,type\na,top\n,top\n", DataError, r"items.csv:3: .*item_id"),
        ("item_id,type\na,topp\n", QueryError, r"no item type 'topp'.*nearest: 'top'"),
        ("item_id,title\na,x\n", DataError, r"items.csv:2: item 'a' has no type: its columns are"),
        ("item_id,type\n", DataError, r"items.csv holds no items"),
    ],
)
def test_bad_tables_are_named(
    new: NewItems, tmp_path: Path, text: str, error: type[FashionHashError], message: str
) -> None:
    (tmp_path / "items.csv").write_text(text)
    with pytest.raises(error, match=message):
        ItemCodes.of(new.bundle, tmp_path / "items.csv")


def test_pictures_that_give_no_code_are_refused(new: NewItems, vectors: Path, tmp_path: Path) -> None:
    plain = words_bundle(tmp_path / "plain").root
    with pytest.raises((FeatureError, BundleError), match=r"no codes of pictures|no hash heads"):
        ItemCodes.of(plain, new.table, new.pictures)
    other = tmp_path / "other"
    shutil.copytree(vectors, other)
    manifest = (other / "manifest.json").read_text()
    made = OpenEncoder("descriptors")().fingerprint
    (other / "manifest.json").write_text(manifest.replace(f'"{made}"', '"another"'))
    with pytest.raises(FeatureError, match=r"other was made by another, the pictures of this bundle by"):
        ItemCodes.of(new.bundle, new.table, None, other)


def test_the_command(new: NewItems, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["item-codes", str(new.bundle), str(new.table), "--pictures", str(new.pictures)]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'out'}: 10 rows of 10 items in 1 part\n"
