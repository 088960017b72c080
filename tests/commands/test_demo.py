"""`fashion-hash demo`: the whole way, in any folder; and `fashion-hash --version`."""

import json
import shutil
from pathlib import Path

import pytest

import fashion_hash
from fashion_hash import cli
from fashion_hash.commands import demo, train
from fashion_hash.commands.data import make_sample
from tests.paths import PROJECT

SMALL = ["--users", "4", "--items", "20", "--outfits-per-user", "10", "--no-pictures"]
SHORT = ["--set", "train.epochs=1", "--set", "image=null"]  # drawing pictures takes longer than the rest


def test_the_demo_works_outside_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    make, fit = make_sample.main, train.main
    monkeypatch.setattr(make_sample, "main", lambda arguments: make([*arguments, *SMALL]))
    monkeypatch.setattr(train, "main", lambda arguments: fit([*arguments, *SHORT]))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", "shop"]) == 0
    made = {path.relative_to(tmp_path / "shop").as_posix() for path in (tmp_path / "shop/demo_output").iterdir()}
    assert made == {"demo_output/outfits.html", *(f"demo_output/outfits-{user}.png" for user in demo.USERS)}
    assert (tmp_path / "shop/configs/demo.yaml").read_bytes() == (PROJECT / "configs/demo.yaml").read_bytes()
    assert Path.cwd() == tmp_path
    figures = json.loads((tmp_path / "shop/runs/demo/evaluation.json").read_text())
    assert figures["protocols"]  # what the page of the model shows
    out = capsys.readouterr().out
    assert out.count("preference + compatibility") == len(demo.USERS)
    query, serve = out.splitlines()[-2:]
    assert query.startswith("go on with: cd shop && ")
    assert serve.endswith(f" serve {demo.BUNDLE}")
    assert serve.startswith("or play stylist in a browser: cd shop && ")
    bundle, *options = query.partition(" query ")[2].replace("--user 7", "--user 3").split()  # the small sample has 4
    assert cli.main(["query", f"shop/{bundle}", *options]) == 0


def test_the_demo_stops_at_the_first_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(PROJECT / "configs", tmp_path / "configs")  # an earlier demo worked here
    (tmp_path / "polyvore_data").mkdir()
    (tmp_path / "polyvore_data/mine.txt").write_text("not a sample")
    monkeypatch.setattr(train, "main", lambda arguments: pytest.fail("trained on something else"))
    assert cli.main(["demo", str(tmp_path)]) == 2
    assert "polyvore_data" in capsys.readouterr().err


def test_the_version_stands_in_one_place(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fashion-hash {fashion_hash.__version__}\n"
    assert "version = attr: fashion_hash.__version__" in (PROJECT / "setup.cfg").read_text()


def test_a_folder_of_other_files_is_refused(tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("mine")
    assert cli.main(["demo", str(tmp_path)]) == 2
    assert "holds other files: name a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
