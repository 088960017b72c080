"""Long loops of splitting and exporting say how far they have come."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import tqdm

from fashion_hash.config.data import SplitConfig
from fashion_hash.data.progress import progress
from fashion_hash.data.splits.files import MadeSplit
from tests.worlds.tiny import tiny_dataset, tiny_values
from tests.worlds.whole import whole_dataset


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What a terminal shows of bars that do not wait two seconds."""
    terminal, bar = Terminal(), tqdm.tqdm

    def at_once(*values: object, **options: object) -> object:
        return bar(*values, **{**options, "delay": 0, "mininterval": 0, "file": terminal})

    monkeypatch.setattr(tqdm, "tqdm", at_once)
    return terminal


def test_splits_show_their_progress(shown: Terminal, tmp_path: Path) -> None:
    whole, settings = whole_dataset(), SplitConfig(kind="per_user", file=str(tmp_path / "split.csv"))
    made = MadeSplit.make(whole, settings)
    assert (MadeSplit.make(whole, settings).assigned == made.assigned).all()
    for what in ("writing split.csv", "outfits to divide", "reading split.csv"):
        assert f"{what}: 100%" in shown.getvalue()


def test_exports_show_their_progress(shown: Terminal, tmp_path: Path) -> None:
    from fashion_hash.config.experiment import make_config
    from fashion_hash.data.dataset import Content
    from fashion_hash.training.export.bundle import export_bundle
    from fashion_hash.training.outfits.loop import fit

    titles = {"top": {"top1.jpg": {"title": "a red shirt"}}}
    dataset = tiny_dataset(content=Content(details=titles))
    export_bundle(fit(make_config(tiny_values(train={"epochs": 1})), dataset, tmp_path / "run"), dataset=dataset)
    for what in ("codes of top items", "writing the catalogue", "words of top items"):
        assert what in shown.getvalue()


def test_nothing_is_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture) -> None:
    assert list(progress(np.arange(3), "counting", "numbers")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    assert not sys.stderr.isatty()
