"""`fashion-hash export-data`: the data set of a configuration as RecBole's files, and an exit status."""

import pytest

from fashion_hash import cli
from fashion_hash.data.load import load_dataset
from tests.worlds import catalogues


@pytest.fixture
def config(tmp_path):
    """A configuration of a small SHIFT15M, divided by time."""
    root = catalogues.shift15m(tmp_path / "shift")
    path = tmp_path / "shift.yaml"
    path.write_text(
        f"name: shift\nid: {{}}\ndata:\n  format: shift15m\n  root: {root}\n"
        "  split: {kind: time, valid: 0.25, test: 0.25}\n"
    )
    return path


def test_it_writes_the_splits_of_the_configuration(tmp_path, config, capsys):
    assert cli.main(["export-data", str(config), "--to", "recbole", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "3 users, 8 outfits of 24 items; rows: 4 in train, 2 in valid, 2 in test" in said
    data = load_dataset("recbole", tmp_path / "out")
    assert {name: len(part.positives) for name, part in data.splits.items()} == {"train": 4, "valid": 2, "test": 2}
    assert max(data.split("train").facts.times) <= min(data.split("test").facts.times)


def test_faults_are_one_line(tmp_path, config, capsys):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    assert cli.main(["export-data", str(config), "--to", "recbole", str(tmp_path / "notes")]) == 2
    assert "exists and was not written by this export" in capsys.readouterr().err
    (tmp_path / "shift" / "iqon_outfits.json").write_text("[{}]")
    assert cli.main(["export-data", str(config), "--to", "recbole", str(tmp_path / "out")]) == 2
    assert "iqon_outfits.json:1: set_id is missing or empty" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
