import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.outfits import Outfits
from fashion_hash.errors import BundleError, DataError
from fashion_hash.index import build, exact, scoring
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.sums import files
from fashion_hash.index.pool import Pool
from tests.worlds.random_bundles import random_bundle, random_pool

SLOTS = ("top", "top", "bottom", "shoe")


@pytest.mark.parametrize("repeat_empty", [False, True])
def test_stored_terms_are_the_referees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repeat_empty: bool) -> None:
    monkeypatch.setattr(build, "CHUNK", 7)  # many chunks, the last one not full
    bundle = random_bundle(tmp_path / "bundle", slots=SLOTS, num_modalities=2, biased=True, repeat_empty=repeat_empty)
    outfits = random_pool(bundle, 60)
    assert build_index(bundle, outfits) == bundle.path / "index"
    opened = Pool.open(bundle)
    terms = exact.terms(bundle, bundle.user_codes[0], opened.items)
    assert (opened.items == outfits.items).all()
    assert (opened.compatibility == terms.compatibility).all()
    assert (opened.bias == terms.bias).all()
    assert (opened.num_items == terms.num_items).all()
    assert (opened.num_pairs == terms.num_pairs).all()


def test_rows_are_in_order_of_ids(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    outfits = random_pool(bundle, 4)
    build_index(bundle, outfits, ["b", "ü", "10", "9"])
    opened = Pool.open(bundle)
    assert opened.ids.all() == ["10", "9", "b", "ü"]
    assert (opened.items == outfits.items[[2, 3, 0, 1]]).all()


def test_default_ids_count_the_rows(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 12))
    assert Pool.open(bundle).ids.at([0, 11]) == ["outfit-000001", "outfit-000012"]


def test_liked_rows_are_the_pools_outfits_of_a_users_history(tmp_path: Path) -> None:
    slots = ("top", "bottom")
    history = Outfits.of(slots, [0, 0, 2, 2, 2], [[1, 1], [2, -1], [1, 1], [1, 1], [9, 9]])
    bundle = random_bundle(tmp_path / "bundle", slots=slots, history=history)
    # [1, 1] twice in the pool: both are liked; [1, -1] and [-1, 1] are other outfits
    build_index(bundle, Outfits.of(slots, [0] * 6, [[1, 1], [2, 2], [1, -1], [2, -1], [-1, 1], [1, 1]]))
    opened = Pool.open(bundle)
    assert [opened.liked(user).tolist() for user in range(5)] == [[0, 3, 5], [], [0, 5], [], []]


def test_a_liked_outfit_is_liked_in_any_order_of_its_tops(tmp_path: Path) -> None:
    history = Outfits.of(SLOTS, [0, 1], [[3, 7, 1, 1], [4, -1, 2, 2]])
    bundle = random_bundle(tmp_path / "bundle", slots=SLOTS, history=history)
    rows = [[7, 3, 1, 1], [3, 7, 1, 1], [3, 3, 1, 1], [-1, 4, 2, 2], [4, 4, 2, 2]]
    build_index(bundle, Outfits.of(SLOTS, [0] * 5, rows))
    opened = Pool.open(bundle)
    assert [opened.liked(user).tolist() for user in (0, 1, 2)] == [[0, 1], [3], []]


def test_same_pool_same_bytes(tmp_path: Path) -> None:
    prints = []
    for name in ("one", "two"):
        bundle = random_bundle(tmp_path / name)
        build_index(bundle, random_pool(bundle, 20))
        prints.append(Pool.open(bundle).manifest["fingerprint"])
    assert prints[0] == prints[1]


@pytest.mark.parametrize("own", [0, 20])
def test_pieces_of_any_size_give_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: int) -> None:
    """Several lengths of outfits, repeated tops, likes, and ids in no order."""
    prints = []
    for piece, blocks in ((1 << 20, 256), (7, 1)):
        monkeypatch.setattr(build, "PIECE", piece)
        monkeypatch.setattr(files, "PIECE", piece)
        monkeypatch.setattr(files, "BLOCKS_AT_ONCE", blocks)
        monkeypatch.setattr(scoring, "SCAN_FROM", 100)
        history = Outfits.of(SLOTS, [0, 1, 1], [[3, 7, 1, 1], [4, -1, 2, 2], [-1, 4, 2, 2]])
        bundle = random_bundle(tmp_path / f"pieces-{piece}", slots=SLOTS, history=history, biased=True, own=own)
        pool = random_pool(bundle, 300)
        pool.items[[5, 250]] = [7, 3, 1, 1], [-1, 4, 2, 2]
        build_index(bundle, pool, [f"{number * 7919 % 1000:03d}" for number in range(300)])
        opened = Pool.open(bundle)
        assert (opened.path / "scan").exists()
        assert len(opened.liked(0))
        assert len(opened.liked(1))
        assert not len(opened.liked(2))
        prints.append(opened.manifest["fingerprint"])
    assert prints[0] == prints[1]


def test_default_ids_are_ids_like_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "PIECE", 7)
    prints = []
    for ids in (None, [f"outfit-{number:06d}" for number in range(1, 31)]):
        bundle = random_bundle(tmp_path / f"by-default-{ids is None}")
        build_index(bundle, random_pool(bundle, 30), ids)
        prints.append(Pool.open(bundle).manifest["fingerprint"])
    assert prints[0] == prints[1]


def test_an_empty_pool_is_a_pool(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 0))
    assert len(Pool.open(bundle)) == 0


def test_an_index_of_another_bundle_is_refused(tmp_path: Path) -> None:
    mine, other = random_bundle(tmp_path / "mine"), random_bundle(tmp_path / "other", seed=1)
    with pytest.raises(BundleError, match="has no pool index: build it"):
        Pool.open(mine)
    shutil.copytree(build_index(other, random_pool(other, 9)), mine.path / "index")
    message = f"was built from bundle {other.fingerprint}, but .* is bundle {mine.fingerprint}"
    with pytest.raises(BundleError, match=message):
        Pool.open(mine)


def test_a_changed_index_is_refused(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    folder = build_index(bundle, random_pool(bundle, 9))
    for name in ("compatibility.npy", "bias.npy", "ids.ids.npy"):
        file = folder / name
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 4]))
        with pytest.raises(BundleError, match=f"{name} does not match its checksum"):
            Pool.open(bundle)
        file.write_bytes(whole)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format_version": 7}))
    with pytest.raises(BundleError, match="format version 7, this program reads version 1"):
        Pool.open(bundle)


@pytest.mark.parametrize(
    ("items", "ids", "message"),
    [
        ([[0, 0], [30, 0]], None, r"'outfit-000002' \(row 1\) has top row 30, but the bundle has 30"),
        ([[0, -2]], ["x"], r"outfit 'x' \(row 0\) has bottom row -2"),
        ([[0, 0], [-1, -1]], ["x", "y"], r"outfit 'y' \(row 1\) has no items"),
        ([[0, 0], [1, 1]], ["x", "x"], "outfit id 'x' occurs twice"),
        ([[0, 0], [1, 1]], ["x"], "1 outfit id for 2 outfits"),
    ],
)
def test_a_bad_pool_writes_nothing(tmp_path: Path, items: list, ids: list | None, message: str) -> None:
    bundle = random_bundle(tmp_path / "bundle", slots=("top", "bottom"))
    with pytest.raises(DataError, match=message):
        build_index(bundle, Outfits.of(bundle.slots, np.zeros(len(items)), items), ids)
    assert not [path for path in bundle.path.iterdir() if "index" in path.name]


def test_a_pool_of_other_slots_is_refused(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    with pytest.raises(DataError, match=r"the pool has the slots .* but the bundle has"):
        build_index(bundle, Outfits.of(("top", "shoe"), [0], [[0, 0]]))


def test_a_pool_whose_rows_need_more_than_32_bits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    monkeypatch.setattr(build, "MOST_ROWS", 2)
    items = np.zeros((3, len(bundle.slots)), dtype=np.int64)
    with pytest.raises(DataError, match="the pool has 3 outfits, but rows are numbered up to 2"):
        build_index(bundle, Outfits.of(bundle.slots, [0, 0, 0], items))
