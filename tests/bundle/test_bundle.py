import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import write_bundle
from fashion_hash.core.codes import unpack
from fashion_hash.core.outfits import Outfits
from fashion_hash.errors import BundleError, DataError
from tests.worlds.random_bundles import random_bundle, random_contents


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    picture = b"\xff\xd8\xff any bytes"
    contents = random_contents(
        num_modalities=2, slots=("top", "top", "a/b"), pictures={"a/b": {"a/b-1": picture}}, biased=True
    )
    bundle = write_bundle(tmp_path / "bundle", contents)
    assert bundle.slots == contents.slots
    assert bundle.slot_names == ("top", "top_2", "a/b")
    assert bundle.users.all() == list(contents.users)
    assert (unpack(bundle.user_codes) == contents.user_codes).all()
    for item_type in bundle.types:
        assert bundle.items[item_type].all() == list(contents.items[item_type])
        assert (unpack(bundle.item_codes[item_type]) == contents.item_codes[item_type]).all()
        assert np.allclose(bundle.item_bias[item_type] / 2**16, contents.item_bias[item_type], atol=2**-17)
    assert np.allclose(bundle.preference_weights / 2**16, contents.preference_weights, atol=2**-17)
    assert (bundle.history.items == contents.history.items).all()
    item = bundle.catalogue.item("top", 0)
    assert (item.item_id, item.title, item.details) == ("top-0", "A fine top", {"price": 12.5})
    assert bundle.catalogue.picture("a/b", 1) == picture
    assert bundle.catalogue.picture("a/b", 2) is None
    with pytest.raises(BundleError, match="has no item of type top in row 99"):
        bundle.catalogue.item("top", 99)


def test_a_view_shares_all_but_what_it_changes(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    assert bundle.tastes is bundle.user_keys
    assert len(bundle.lines_of(0)) == (bundle.history.users == 0).sum()
    item_bias = {item_type: np.ones_like(bias) for item_type, bias in bundle.item_bias.items()}
    view = bundle.view(preference_scale=0, item_bias=item_bias)
    assert (view.preference_scale, view.item_bias) == (0, item_bias)
    assert bundle.preference_scale == 10
    assert not any(bias.any() for bias in bundle.item_bias.values())
    assert view.item_codes is bundle.item_codes
    assert view.fingerprint == bundle.fingerprint
    assert view.view(preference_scale=3).item_bias is item_bias
    with pytest.raises(TypeError, match="a view of a bundle cannot change 'fingerprint'"):
        bundle.view(fingerprint="another")  # type: ignore[call-arg]


def test_same_contents_same_fingerprint(tmp_path: Path) -> None:
    first, second = (random_bundle(tmp_path / name) for name in ("first", "second"))
    other = random_bundle(tmp_path / "other", seed=1)
    assert first.fingerprint == second.fingerprint != other.fingerprint


def test_keys_of_the_model_may_be_anything_json_knows(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", model={10: "ten", 9: "nine"})
    assert Bundle.open(bundle.path).manifest["model"] == {"10": "ten", "9": "nine"}


def test_a_flipped_bit_in_any_file_is_found(tmp_path: Path) -> None:
    source = random_bundle(tmp_path / "source").path
    names = [file.relative_to(source) for file in sorted(source.rglob("*")) if file.is_file()]
    assert len(names) > 10
    for name in names:
        copy = tmp_path / "copy"
        shutil.copytree(source, copy)
        flip_a_bit(copy / name)
        with pytest.raises(BundleError, match=name.name):
            Bundle.open(copy)
        shutil.rmtree(copy)


def test_a_missing_or_shorter_file_is_found_without_checksums(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    file = bundle.path / "codes/users.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"users\.npy has \d+ bytes instead of \d+"):
        Bundle.open(bundle.path, verify=False)
    file.unlink()
    with pytest.raises(BundleError, match=r"users\.npy is missing"):
        Bundle.open(bundle.path, verify=False)


def test_a_broken_catalogue_is_a_bundle_error(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    file = bundle.path / "catalogue.sqlite"
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(BundleError, match=r"catalogue\.sqlite is not a readable catalogue"):
        _ = Bundle.open(bundle.path, verify=False).catalogue


def test_other_versions_and_other_folders_are_refused(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    manifest = bundle.path / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "format_version": 2}))
    with pytest.raises(BundleError, match="format version 2, this program reads version 1"):
        Bundle.open(bundle.path)
    manifest.write_text(json.dumps({**facts, "name": "another"}))
    with pytest.raises(BundleError, match="was changed after it was written"):
        Bundle.open(bundle.path)
    manifest.write_text("{")
    with pytest.raises(BundleError, match="not readable JSON"):
        Bundle.open(bundle.path)
    for nothing in (tmp_path, tmp_path / "nowhere", manifest):
        with pytest.raises(BundleError, match="it has no manifest"):
            Bundle.open(nothing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user_codes": np.ones((4, 16))}, r"user_codes has shape \(4, 16\), expected \(5, 16\)"),
        ({"user_codes": np.full((5, 16), 0.3)}, "user_codes has values other than"),
        ({"user_codes": np.full((5, 16), 1.1), "user_form": "bytes"}, "user_codes has values that are not from -1 to"),
        ({"user_codes": np.full((5, 16), np.nan), "user_form": "floats"}, "user_codes has values that are not from"),
        ({"preference_weights": np.ones(8)}, r"preference_weights has shape \(8,\)"),
        (
            {"compatibility_weights": np.full(16, np.nan)},
            "compatibility_weights has a value that is not finite",
        ),
        (
            {"preference_weights": np.full(16, 32767.0), "preference_scale": 10**6},
            "too large for exact scores",
        ),
        ({"preference_scale": 0.5}, "whole numbers"),
        ({"item_bias": {}}, "item_bias has no entry for item type 'top'"),
        (
            {"history": Outfits.of(("top", "bottom", "shoe"), [9], [[0, 0, 0]])},
            "rows 9 to 9 of users, but the bundle has 5",
        ),
        (
            {"history": Outfits.of(("top", "bottom", "shoe"), [0], [[0, 99, 0]])},
            "rows 99 to 99 of bottom, but the bundle has 33",
        ),
        ({"history": Outfits.of(("top", "bottom"), [0], [[0, 0]])}, "the history has the slots"),
    ],
)
def test_contents_that_do_not_fit_write_nothing(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        write_bundle(tmp_path / "bundle", replace(random_contents(), **changes))
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_bundle(tmp_path: Path) -> None:
    old = random_bundle(tmp_path / "bundle")
    doubled = replace(random_contents(), users=("same",) * 5)
    with pytest.raises(DataError, match="'same' occurs twice"):
        write_bundle(old.path, doubled)
    assert Bundle.open(old.path).fingerprint == old.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
