"""query.py with --photo: tables, JSON, pages and sheets, and options that do not go together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from fashion_hash.commands.query import main
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.pages_world import pages_bundle
from tests.worlds.picture_world import picture


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("photo")
    (folder / "a photo.png").write_bytes(picture("orange", 2, "PNG"))
    return str(pages_bundle(folder / "bundle").root), str(folder / "a photo.png")


def test_items_as_a_table_and_as_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    bundle, photo = files
    hits = Recommender.load(bundle).search_picture(photo, ["top"], 3, text="under 60", skip=1)
    options = [bundle, "--photo", photo, "--type", "top", "-k", "3", "--skip", "1", "--text", "under 60"]
    assert main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f'like {photo}, beside "under 60": by picture and words'
    assert lines[1] == "understood: price <= 60"
    assert [line.split()[3] for line in lines[3:6]] == hits.ids.tolist()
    assert main([*options, "--json"]) == 0
    [answer] = json.loads(capsys.readouterr().out)["answers"]
    assert [item["score"] for item in answer["items"]] == hits.scores.tolist()


def test_a_page_and_a_sheet(files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, photo = files
    page, sheet = tmp_path / "page.html", tmp_path / "sheet.png"
    assert main([bundle, "--photo", photo, "--page", str(page), "--sheet", str(sheet)]) == 0
    assert "<h2>Like a photo.png</h2>" in page.read_text(encoding="utf-8")
    with Image.open(sheet) as image:
        assert image.width > 600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--user", "user-0"], "--user does not go with --photo"),
        (["--outfits"], "--outfits does not go with --photo"),
        (["--drop", "colour"], "--drop needs words beside the picture"),
        (["--type", "tops"], "no item type 'tops'"),
    ],
)
def test_options_that_do_not_go_together(
    files: tuple[str, str], options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, photo = files
    assert main([bundle, "--photo", photo, *options]) == 2
    assert message in capsys.readouterr().err


def test_files_that_are_not_pictures(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    bundle, photo = files
    assert main([bundle, "--photo", f"{photo}.gone"]) == 2
    assert "cannot read the picture" in capsys.readouterr().err
    assert main([bundle, "--photo", __file__]) == 2
    assert "cannot decode a picture" in capsys.readouterr().err
