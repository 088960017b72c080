"""What kills at known moments left for ever, once."""

from pathlib import Path

import pytest

from fashion_hash.bundle.write import check_unchanged
from fashion_hash.data.sample.truth import TRUTH_FILE
from fashion_hash.data.sample.write import make_sample
from fashion_hash.errors import DataError
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.generations import add_generation
from tests.worlds.live_world import new_bundle

SMALL = {"users": 2, "items": 20, "outfits_per_user": 10, "pictures": False}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_live_catalogue_that_was_never_finished(tmp_path: Path) -> None:
    """No change was made, so the bundle may be replaced; the next writer removes the half-written file."""
    bundle = new_bundle(tmp_path / "bundle")
    half = bundle.path / "live/.live.sqlite.abc.partial"
    half.mkdir(parents=True)
    (half / "live.sqlite").write_bytes(b"SQLite format 3")
    check_unchanged(bundle.path)
    recommender = Recommender.load(bundle.path)
    recommender.add_outfits({"new": {"top": "top-1", "shoe": "shoe-1"}})
    assert not half.exists()
    half.mkdir()  # a kill just after the file got its name
    other = Recommender.load(bundle.path)
    other.remove_outfits(["new"])
    assert not half.exists()
    assert len(recommender) == 60


def test_a_generation_that_did_not_become_current(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    bundle = add_generation(path)
    (path / ".current.abc.partial").write_text("7\n")
    add_generation(path, seed=1)
    assert not (path / ".current.abc.partial").exists()
    assert Recommender.load(path).bundle.fingerprint != bundle.fingerprint


@pytest.mark.parametrize("moved", [0, 1, 3])
def test_a_sample_that_was_replacing_another(tmp_path: Path, moved: int) -> None:
    """Killed while the new files took the place of the old ones: the same call makes it whole."""
    out, new = tmp_path / "data", tmp_path / ".data.new"
    make_sample(tmp_path / "whole", **SMALL, seed=1)
    make_sample(out, **SMALL)
    (out / "mine.txt").write_text("other files are left alone")
    make_sample(new, **SMALL, seed=1)
    (out / TRUTH_FILE).unlink()
    for name in ("tuples_630", "tuples_53", "README.md")[:moved]:
        if (out / name).is_dir():
            for file in (out / name).iterdir():
                file.unlink()
            (out / name).rmdir()
        (new / name).rename(out / name)
    half = out / "sentence_vector/.semantic.pkl.abc.partial.pkl"
    half.write_bytes(b"half")
    make_sample(out, **SMALL, seed=1)
    assert names(out) == names(tmp_path / "whole") | {"mine.txt"}
    for name in names(tmp_path / "whole"):
        if (out / name).is_file():
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert {path.name for path in tmp_path.iterdir()} == {"data", "whole"}


def test_a_folder_that_is_no_sample_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mine.txt").write_text("mine")
    with pytest.raises(DataError, match="neither empty nor a sample"):
        make_sample(tmp_path / "data", **SMALL)
    assert names(tmp_path) == {"data", "data/mine.txt"}
