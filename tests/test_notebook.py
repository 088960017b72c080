"""The notebook runs, at the size in which it was kept and at a smaller one, and is kept with its output."""

import json
import tempfile
from functools import partial

import pytest

from fashion_hash.data.sample import drawing
from tests.paths import PROJECT

NOTEBOOK = PROJECT / "docs/notebooks/walkthrough.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
SIZES = "USERS, ITEMS, OUTFITS, EPOCHS = 30, 60, 40, 8"
SMALL = "USERS, ITEMS, OUTFITS, EPOCHS = 8, 20, 12, 1"


def run(cells, folder, monkeypatch):
    """Runs the cells one after the other in a folder; returns the names they leave."""
    names = {"__name__": "__main__"}
    monkeypatch.chdir(folder)  # and back behind the test: the first cell goes elsewhere
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        exec(compile(source.replace(SIZES, SMALL) if cells is not CELLS else source, f"cell {number}", "exec"), names)
    return names


def test_it_is_kept_with_its_output_and_small():
    assert NOTEBOOK.stat().st_size < 200_000
    printed = "".join("".join(output.get("text", "")) for cell in CELLS for output in cell["outputs"])
    assert "binary codes" in printed
    assert "proven: True" in printed
    assert any("image/png" in output.get("data", {}) for cell in CELLS for output in cell["outputs"])
    assert not [output for cell in CELLS for output in cell["outputs"] if output["output_type"] == "error"]
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    assert "/work" not in NOTEBOOK.read_text(encoding="utf-8")


def test_it_runs_on_a_smaller_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "draw_item", partial(drawing.draw_item, size=64))
    assert SIZES in "".join(CELLS[0]["source"])
    names = run(list(CELLS), tmp_path, monkeypatch)
    assert (names["folder"] / "sheet.png").is_file()


@pytest.mark.slow
def test_it_runs_as_it_was_kept(tmp_path, monkeypatch):
    names = run(CELLS, tmp_path, monkeypatch)
    assert names["answer"].proven
    assert names["ranking"]["binary"]["auc"] > names["ranking"]["baselines"]["no_user"]["auc"]
