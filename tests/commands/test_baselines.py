"""The command `baselines`: tables and JSON on stdout, what is done on stderr, and what is refused."""

import json

import numpy as np
import pytest

from fashion_hash.cli import main


@pytest.fixture
def config(tmp_path, monkeypatch):
    """IQON3000 as anybody may hold it, small: tops and bottoms with numbers as ids."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 300), ("valid", 60), ("test", 60)):
        users = rng.integers(12, size=count)
        rows = 2 * rng.integers(10, size=(count, 3)) + (users % 2)[:, None]
        rows[:, 2] += 1 - 2 * (users % 2)  # the negative is one of the other users' bottoms
        columns = ["user,top,bottom", "user,top,bottom,negative_bottom"][name != "train"]
        width = 3 if name == "train" else 4
        lines = [",".join(map(str, [user, *(1000 + row)][:width])) for user, row in zip(users, rows)]
        (tmp_path / f"{name}.csv").write_text("\n".join([columns, *lines]) + "\n")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(
        f"name: small\ndata: {{format: iqon3000, root: {tmp_path}}}\nid: {{}}\nnegatives: {{swap: [bottom]}}\n"
    )
    return path


def test_baselines_are_measured_and_kept(config, tmp_path, capsys):
    asked = ["baselines", str(config), "--only", "Popularity,id distance, ease", "--matched", "ids"]
    assert main([*asked, "--json"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert set(report["protocols"]) == {"pairs_random", "pairs_matched", "full_outfits", "full_top", "full_bottom"}
    pairs = report["protocols"]["pairs_random"]["baselines"]
    assert set(pairs) == {"popularity", "EASE", "id distance"}
    assert pairs["EASE"]["auc"] > 0.9  # parity is all that there is to learn
    assert "the bottom replaced by one of the 50" in report["protocols"]["pairs_matched"]["statement"]
    assert "baseline EASE" in err
    assert (tmp_path / "runs/small.baselines/test.json").is_file()
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert "pairs_matched" in out
    assert "EASE, full_outfits: columns" in out
    assert "EASE, negatives and questions: regularisation" in out
    assert "baseline" not in err  # they were kept


def test_what_cannot_be_measured_is_said(config, capsys):
    assert main(["baselines", str(config), "--only", "popularity", "--no-full"]) == 0
    assert "settings chosen" not in capsys.readouterr().out  # there are none
    assert main(["baselines", str(config), "--only", "recent popularity", "--no-full"]) == 0
    assert (
        "baseline recent popularity: not measured\n  needs a time of every training outfit" in capsys.readouterr().out
    )
    assert main(["baselines", str(config), "--only", ""]) == 2
    assert "error: no baseline is named: use some of chance" in capsys.readouterr().err
    assert main(["baselines", str(config), "--only", "popularty"]) == 2
    assert "error: no baseline 'popularty' (nearest: 'popularity'" in capsys.readouterr().err
    assert main(["baselines", str(config), "--matched"]) == 2
    assert "matching in time needs times, but the outfits have none" in capsys.readouterr().err
