"""Vectors of pictures in parts: those of the encoder, and why a picture has none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bulk.jobs import Done, run_job
from fashion_hash.bulk.pictures import KeptVectors, OpenEncoder, PictureVectors
from fashion_hash.cli import main
from fashion_hash.errors import BundleError, DataError, FeatureError
from tests.worlds.picture_world import picture, vector

pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")

DESCRIPTORS = OpenEncoder("descriptors")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "shoes").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "shoes/c.jpg", "shoes/b.jpg")):
        (folder / name).write_bytes(picture("red", number))
    (folder / "broken.jpg").write_bytes(b"<html>not found</html>")
    (folder / "lost.jpg").symlink_to(folder / "nowhere.jpg")
    return folder


def test_every_picture_has_its_vector_or_a_reason(pictures: Path, tmp_path: Path) -> None:
    job, out = PictureVectors.of(pictures, DESCRIPTORS, pictures_a_part=2), tmp_path / "out"
    assert run_job(job, out) == Done(3, 5, 3)
    rows = [row for file in sorted(out.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    assert [row["key"] for row in rows] == ["a.jpg", "broken.jpg", "lost.jpg", "shoes/b.jpg", "shoes/c.jpg"]
    assert rows[1] == {"key": "broken.jpg", "vector": None, "reason": "a web page, not a picture: the download failed"}
    assert rows[2]["reason"] == "a broken link or a device, not a file"
    kept = KeptVectors(out)
    for row in rows[:1] + rows[3:]:
        assert row["reason"] is None
        made = vector((pictures / row["key"]).read_bytes()).astype(np.float32)
        assert np.array_equal(np.float32(row["vector"]), made)
        assert np.array_equal(kept.get(row["key"]), made)
    assert kept.get("broken.jpg") is None
    with pytest.raises(FeatureError, match=r"no vector of a picture 'other\.jpg'"):
        kept.get("other.jpg")


def test_files_that_come_meanwhile_stop_the_job(pictures: Path, tmp_path: Path) -> None:
    job = PictureVectors.of(pictures, DESCRIPTORS)
    (pictures / "z.jpg").write_bytes(picture("red"))
    with pytest.raises(DataError, match="holds other files than when the job began"):
        run_job(job, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no pictures"):
        PictureVectors.of(tmp_path / "empty", DESCRIPTORS)


def test_vectors_are_read_from_a_finished_job_alone(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no job: run picture-vectors into it first"):
        KeptVectors(pictures)
    out = tmp_path / "out"
    run_job(PictureVectors.of(pictures, DESCRIPTORS), out)
    manifest = (out / "manifest.json").read_text()
    (out / "manifest.json").unlink()
    with pytest.raises(BundleError, match="holds an unfinished job"):
        KeptVectors(out)
    (out / "manifest.json").write_text(manifest.replace("picture-vectors", "top-k"))
    with pytest.raises(BundleError, match="job is 'top-k', expected 'picture-vectors'"):
        KeptVectors(out)
    (out / "manifest.json").write_text(manifest.replace("part-00000.parquet", "../a.parquet"))
    with pytest.raises(BundleError, match=r"lacks '\.\./a\.parquet'"):
        KeptVectors(out)


def test_the_command(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["picture-vectors", str(pictures), "--encoder", "descriptors", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'out'}: 5 rows of 5 pictures in 1 part\n"
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["encoder"] == DESCRIPTORS().fingerprint
    shutil.rmtree(pictures)
    assert main(arguments) == 2
    assert "no pictures at" in capsys.readouterr().err
    assert main([*arguments, "--workers", "-1"]) == 2
    assert "--workers must be at least 0" in capsys.readouterr().err
