"""The sample: its layout, its planted truth, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.commands.data.make_sample import main
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.data.formats.polyvore import read_polyvore_u
from fashion_hash.data.parsing.restricted_pickle import load_vectors
from fashion_hash.data.sample import drawing
from fashion_hash.data.sample.garments import KINDS, TYPES
from fashion_hash.data.sample.text_vectors import text_vectors
from fashion_hash.data.sample.truth import read_truth, truth_scorer
from fashion_hash.data.sample.world import (
    ATTRIBUTES,
    COMPATIBILITY,
    MATCHES,
    POPULARITY,
    PREFERENCE,
    draw_worn,
    plant_world,
)
from fashion_hash.data.sample.write import make_sample
from fashion_hash.data.stores.lmdb_files import count, get_all
from fashion_hash.errors import DataError
from tests.paths import PROJECT

SUBSETS = ("tuples_630", "tuples_519", "tuples_53", "tuples_32")
SMALL: dict[str, Any] = {"seed": 3, "users": 12, "items": 20, "outfits_per_user": 12, "variable": True}
Row = tuple[int, ...]


@pytest.fixture(scope="module", autouse=True)
def _small_pictures() -> Iterator[None]:
    """Pictures are drawn at a tenth of their size, which takes a hundredth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "draw_item", partial(drawing.draw_item, size=29))
        yield


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample(tmp_path_factory.mktemp("made") / "small", **SMALL).root


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample(tmp_path_factory.mktemp("made") / "usual", variable=True, pictures=False).root


def table(path: Path) -> tuple[list[str], list[Row]]:
    header, *lines = path.read_text().splitlines()
    return header.split(","), [tuple(map(int, line.split(","))) for line in lines]


def contents(root: Path) -> dict[str, bytes]:
    files = (file for file in sorted(root.rglob("*")) if file.is_file() and "lmdb" not in file.parts)
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def of_file(path: Path) -> Outfits:
    header, rows = table(path)
    values = np.array(rows)
    return Outfits.of(header[1:], values[:, 0], values[:, 1:])


def auc(positive: np.ndarray, negative: np.ndarray, users: np.ndarray) -> float:
    per_user = []
    for user in np.unique(users):
        good, bad = positive[users == user], negative[users == user].ravel()
        per_user.append((good[:, None] > bad).mean() + 0.5 * (good[:, None] == bad).mean())
    return float(np.mean(per_user))


def test_layout_is_the_release_s(small: Path) -> None:
    tuples = {f"tuples_{split}_{kind}" for split in ("train", "val", "test")
              for kind in ("posi", "nega", "nega_hard")}  # fmt: skip
    usual = tuples | {f"image_list_{kind}" for kind in TYPES} | {"fill_in_blank_test"}
    for subset in SUBSETS:
        extra = {f"retrieval_{kind}_all" for kind in TYPES} if subset == "tuples_630" else set()
        assert {file.name for file in (small / subset).iterdir()} == usual | extra
        slots = ["top", "bottom", "shoe"] if subset in ("tuples_630", "tuples_53") else ["top", *TYPES]
        for name in tuples:
            assert table(small / subset / name)[0] == ["user", *slots]
        for name in {"fill_in_blank_test"} | extra:
            assert table(small / subset / name)[0] == ["user", *slots] * 4


@pytest.mark.parametrize("subset", SUBSETS)
def test_reader_reads_it(small: Path, subset: str) -> None:
    data = read_polyvore_u(small, subset)
    people = read_truth(small)["persons"][subset]
    assert data.users.ids == tuple(map(str, range(len(people))))
    for name, each in {"train": 12, "valid": 2, "test": 2}.items():
        split = data.split(name)
        assert len(split.positives) == each * len(people)
        assert np.bincount(split.positives.users).tolist() == [each] * len(people)
        assert {kind: groups.size for kind, groups in split.negatives.items()} == {"random": 10, "hard": 10}
    assert data.split("test").questions is not None
    shown = data.content.details["bottom"][data.items["bottom"].ids[0]]
    assert isinstance(shown["price"], float)
    assert isinstance(shown["in_stock"], bool)
    assert str(shown["kind"]) in str(shown["title"])


def test_pictures_words_and_catalogue_have_the_same_names(small: Path) -> None:
    with open(small / "items.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [row["item_id"] for row in rows]
    assert [row["type"] for row in rows] == [kind for kind in TYPES for _ in range(20)]
    assert set((small / "tuples_519/image_list_top").read_text().split()) == set(names[:20])
    assert count(small / "images/lmdb") == 60
    stored = get_all(small / "images/lmdb", names)
    assert stored == [(small / row["image"]).read_bytes() for row in rows]
    vectors = load_vectors(small / "sentence_vector/semantic.pkl")
    assert list(vectors) == names
    assert {(vector.shape, vector.dtype.name) for vector in vectors.values()} == {((2400,), "float32")}


@pytest.mark.parametrize("subset", SUBSETS)
def test_negatives_keep_their_promises(usual: Path, subset: str) -> None:
    folder = usual / subset
    positives = {split: table(folder / f"tuples_{split}_posi")[1] for split in ("train", "val", "test")}
    worn = {row for rows in positives.values() for row in rows}
    assert len(worn) == sum(map(len, positives.values())), "an outfit of a user occurs twice"
    for split, rows in positives.items():
        slots = [set(column) for column in zip(*rows)]
        others: dict[Row, set[int]] = {}
        for user, *outfit in rows:
            others.setdefault(tuple(outfit), set()).add(user)
        drawn = table(folder / f"tuples_{split}_nega")[1]
        hard = table(folder / f"tuples_{split}_nega_hard")[1]
        assert len(drawn) == len(hard) == 10 * len(rows)
        assert not worn & {*drawn, *hard}
        for k, (one, two) in enumerate(zip(drawn, hard)):
            assert one[0] == two[0] == rows[k // 10][0]
            assert all(item in slot for item, slot in zip(one, slots))
            assert [item == EMPTY for item in one] == [item == EMPTY for item in rows[k // 10]]
            assert others[two[1:]] - {two[0]}, "a hard negative is another user's outfit"


@pytest.mark.parametrize("name", ["tuples_630/fill_in_blank_test", "tuples_519/fill_in_blank_test",
                                  "tuples_630/retrieval_top_all", "tuples_630/retrieval_shoe_all"])  # fmt: skip
def test_questions_have_one_blank(usual: Path, name: str) -> None:
    header, rows = table(usual / name)
    width = len(header) // 4
    truths = table(usual / Path(name).parent / "tuples_test_posi")[1]
    worn = {row for split in ("train", "val", "test")
            for row in table(usual / Path(name).parent / f"tuples_{split}_posi")[1]}  # fmt: skip
    blanks = set()
    for row, truth in zip(rows, truths, strict=True):
        first, *wrong = (row[i : i + width] for i in range(0, 4 * width, width))
        assert first == truth
        assert len({first, *wrong}) == 4
        assert not worn & set(wrong)
        exchanged = {i for one in wrong for i in range(width) if one[i] != first[i]}
        assert len(exchanged) == 1
        assert EMPTY not in {one[i] for i in exchanged for one in (first, *wrong)}
        blanks |= exchanged
    asked = {"retrieval_top_all": {1}, "retrieval_shoe_all": {3}}
    assert blanks == asked.get(Path(name).name, set(range(1, width)))


def test_new_users_are_nobody_else_and_lists_differ(usual: Path) -> None:
    persons = {subset: set(people) for subset, people in read_truth(usual)["persons"].items()}
    assert persons["tuples_519"] < persons["tuples_630"]
    assert not persons["tuples_53"] & persons["tuples_630"]
    assert not persons["tuples_32"] & (persons["tuples_630"] | persons["tuples_53"])
    lists = {s: (usual / s / "image_list_shoe").read_text().split() for s in SUBSETS}
    assert set(lists["tuples_53"]) < set(lists["tuples_630"])


def test_truth_scorer_agrees_with_plain_loops(usual: Path) -> None:
    """Re-derives the planted score from the files alone, one outfit at a time."""
    truth = json.loads((usual / "truth.json").read_text())
    with open(usual / "items.csv", encoding="utf-8", newline="") as stream:
        items = {row["item_id"]: row for row in csv.DictReader(stream)}
    folder = usual / "tuples_32"
    outfits = of_file(folder / "tuples_test_posi")
    listed = {kind: (folder / f"image_list_{kind}").read_text().split() for kind in TYPES}
    expected = []
    for user, row in outfits:
        person = truth["persons"]["tuples_32"][user]
        worn = [(slot, listed[slot][item]) for slot, item in zip(outfits.slots, row) if item != EMPTY]
        liked = 0.0
        for _, name in worn:
            liked += POPULARITY * truth["popularity"][name]
            liked += PREFERENCE * sum(truth["tastes"][a][person][items[name][a]] for a in truth["tastes"])
        together = []
        for i, (slot, one) in enumerate(worn):
            for other_slot, other in worn[i + 1 :]:
                if slot != other_slot:
                    codes = {a: (ATTRIBUTES[a].index(items[one][a]), ATTRIBUTES[a].index(items[other][a]))
                             for a in MATCHES}  # fmt: skip
                    together.append(sum(MATCHES[a][pair] for a, pair in codes.items()))
        expected.append(liked / len(worn) + COMPATIBILITY * sum(together) / len(together))
    assert len({len(row[row != EMPTY]) for _, row in outfits}) == 2, "outfits of three and of four items"
    np.testing.assert_allclose(truth_scorer(usual, "tuples_32")(outfits), expected, atol=1e-9)


@pytest.mark.parametrize("subset", ["tuples_630", "tuples_519"])
def test_truth_is_worth_learning(usual: Path, subset: str) -> None:
    folder, score = usual / subset, truth_scorer(usual, subset)
    test = of_file(folder / "tuples_test_posi")
    train = of_file(folder / "tuples_train_posi")
    worn = {kind: np.zeros(161) for kind in TYPES}  # the last row is EMPTY's
    for slot, column in zip(train.slots, train.items.T):
        np.add.at(worn[slot], column[column != EMPTY], 1)

    def popularity(outfits: Outfits) -> np.ndarray:
        counts = [np.log1p(worn[slot][column]) for slot, column in zip(outfits.slots, outfits.items.T)]
        return np.sum(counts, axis=0) / outfits.mask.sum(axis=1)

    random, hard = (of_file(folder / f"tuples_test_{kind}") for kind in ("nega", "nega_hard"))

    def measure(by, negatives: Outfits) -> float:  # type: ignore[no-untyped-def]
        return auc(by(test), by(negatives).reshape(len(test), 10), test.users)

    assert 0.93 < measure(score, random) < 0.975
    assert 0.80 < measure(score, hard) < 0.90
    assert 0.55 < measure(popularity, random) < 0.68
    assert 0.45 < measure(popularity, hard) < 0.55


def test_layers_are_worn_over_inner_tops() -> None:
    world = plant_world(0, 4, 40)
    worn = draw_worn(world, ("top", "top", "bottom", "shoe"), np.arange(4), 30, generator(0, "test"))
    outer = np.array([kind.outer for kind in KINDS.values()])[world.items["top"]["kind"]]
    double = worn.items[worn.items[:, 1] != EMPTY]
    assert 30 < len(double) < 90
    assert outer[double[:, 1]].all()
    assert not outer[double[:, 0]].any()
    assert outer[worn.items[worn.items[:, 1] == EMPTY][:, 0]].any()


def test_same_seed_same_bytes(small: Path, tmp_path: Path) -> None:
    assert contents(make_sample(tmp_path / "again", **SMALL).root) == contents(small)
    other = contents(make_sample(tmp_path / "other", **{**SMALL, "seed": 4}, pictures=False).root)
    for name in ("items.csv", "truth.json", "tuples_630/tuples_test_posi", "sentence_vector/semantic.pkl"):
        assert other[name] != contents(small)[name]


def test_finishes_what_is_missing_and_touches_nothing_else(small: Path, tmp_path: Path) -> None:
    root = shutil.copytree(small, tmp_path / "one")
    (root / "mine.txt").write_text("keep me")
    kept = (root / "items.csv").stat().st_mtime_ns
    for name in ("tuples_53/tuples_train_nega", "sentence_vector/semantic.pkl", "images/291x291/top_0003.jpg"):
        (root / name).unlink()
    for file in (root / "images/lmdb").iterdir():
        file.unlink()
    (root / "images/lmdb").rmdir()
    assert make_sample(root, **SMALL).files_written == 4
    assert make_sample(root, **SMALL).files_written == 0
    assert (root / "items.csv").stat().st_mtime_ns == kept
    assert contents(root) == contents(small) | {"mine.txt": b"keep me"}
    assert count(root / "images/lmdb") == 60

    (root / "features").mkdir()
    (root / "features/old.lmdb").write_text("features of pictures that are drawn anew now")
    assert make_sample(root, **SMALL).files_written == 0
    assert (root / "features/old.lmdb").exists()
    made = make_sample(root, **{**SMALL, "variable": False}, pictures=False)
    assert sorted(file.name for file in root.iterdir()) == [
        "README.md", "items.csv", "mine.txt", "sentence_vector", "truth.json", "tuples_53", "tuples_630"
    ]  # fmt: skip
    assert made.pictures == 0


def test_refuses_a_folder_that_is_no_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    arguments = ["--out", str(tmp_path), "--users", "4", "--items", "20", "--outfits-per-user", "10", "--no-pictures"]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert "--force" in error
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
    assert main([*arguments, "--force"]) == 0
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"
    assert "tuples_630: 4 users, outfits: 40 train, 4 val, 8 test" in capsys.readouterr().out
    assert main(["--out", str(tmp_path / "thesis.txt")]) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"users": 1}, "--users must be at least 2, got 1"),
        ({"items": 19}, "--items must be at least 20, got 19"),
        ({"outfits_per_user": 3}, "--outfits-per-user must be at least 10, got 3"),
        ({"items": 20, "outfits_per_user": 500}, "--items 20 is too few for 500 distinct outfits"),
        ({"seed": -1}, "--seed must be at least 0, got -1"),
    ],
)
def test_bad_sizes_say_what_to_change(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_sample(tmp_path / "none", **wrong)
    assert not list(tmp_path.iterdir())


def test_the_smallest_sample_can_be_made(tmp_path: Path) -> None:
    for seed in range(3):
        size: dict[str, Any] = {"users": 2, "items": 20, "outfits_per_user": 10}
        make_sample(tmp_path / str(seed), seed=seed, **size, variable=True, pictures=False)


def test_truth_of_something_else_is_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"truth\.json is missing"):
        truth_scorer(tmp_path, "tuples_630")
    with pytest.raises(DataError, match=r"no subset 'tuples_7'.*tuples_630"):
        truth_scorer(small, "tuples_7")
    (tmp_path / "truth.json").write_text('{"settings": ')
    with pytest.raises(DataError, match="cannot be read as JSON"):
        truth_scorer(tmp_path, "tuples_630")


def test_text_vectors_are_about_their_words() -> None:
    titles = ["Athletic striped navy cotton t-shirt", "Relaxed striped navy cotton t-shirt",
              "Relaxed striped navy wool trousers", "Delicate pink silk blouse"]  # fmt: skip
    vectors = text_vectors(titles)
    assert vectors.shape == (4, 2400)
    assert (vectors != 0).mean() > 0.99
    near, middle, far = (float(vectors[1] @ vectors[i]) for i in (0, 2, 3))
    assert near > middle > far
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(5, rel=0.02)


def test_the_sample_in_the_repository_is_small_and_whole() -> None:
    root = PROJECT / "polyvore_data"
    listed = subprocess.run(
        ["git", "ls-files", "-z", str(root)], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.split("\0")[:-1]
    if not listed:
        pytest.skip("no git checkout")
    assert sum((PROJECT / name).stat().st_size for name in listed) < 5_000_000
    tracked = {str(Path(name).relative_to("polyvore_data")) for name in listed}
    assert {"items.csv", "truth.json", "tuples_32/tuples_test_nega", "images/291x291/shoe_0000.jpg"} <= tracked
    assert not any("lmdb" in name or name.endswith(".pkl") for name in tracked)


def test_the_door_runs_without_torch(tmp_path: Path) -> None:
    """What tools/make_sample.py imports stays light."""
    code = (
        "import sys; import fashion_hash.data.sample.drawing; from fashion_hash.commands.data.make_sample import main; "
        f"main(['--out', {str(tmp_path / 's')!r}, '--users', '2', '--items', '20', "
        "'--outfits-per-user', '10', '--no-pictures']); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True, capture_output=True)
