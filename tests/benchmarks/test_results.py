"""The documents show what stands under results/, and benchmarks keep their figures with where they come from."""

import argparse
import json
import re
import sys

import pytest

from tests.paths import PROJECT

sys.path.append(str(PROJECT / "benchmarks"))

import draw
import tables

import results

FILES = sorted(results.RESULTS.glob("*.json"))
SCRIPTS = sorted((PROJECT / "benchmarks").glob("bench_*.py"))


@pytest.mark.parametrize("name", draw.DOCUMENTS)
def test_the_figures_of_the_documents_are_those_on_file(name):
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert draw.MARKED.search(text)
    assert draw.redrawn(text) == text, f"{name} differs from results/: run make figures"


def test_every_table_is_shown_somewhere():
    shown = "".join((PROJECT / name).read_text(encoding="utf-8") for name in draw.DOCUMENTS)
    for name in draw.BLOCKS:
        assert f"<!-- figures:{name} -->\n| " in shown, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_says_where_its_figures_come_from(path):
    content = results.read(path.stem)
    assert content["figures"]
    assert content["machine"]
    assert re.fullmatch(r"[0-9a-f]{7,}\+?|none", content["commit"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", content["date"])
    script = re.search(r"(benchmarks|tools)/\w+\.py", content["command"])
    assert (PROJECT / script[0]).is_file()


def test_a_changed_figure_is_noticed(monkeypatch):
    changed = results.read("complete")
    changed["figures"]["rows"][-1]["milliseconds"] = 99.9
    changed["figures"]["rows"] = [{**row, "milliseconds": 99.9} for row in changed["figures"]["rows"]]
    monkeypatch.setattr(tables, "read", lambda name: changed if name == "complete" else results.read(name))
    text = (PROJECT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert "99.9 ms" in draw.redrawn(text)
    assert draw.redrawn(text) != text


def test_a_block_that_nothing_draws_is_an_error():
    with pytest.raises(KeyError):
        draw.redrawn("<!-- figures:nothing -->\n<!-- /figures -->\n")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_benchmark_takes_the_same_options(path):
    source = path.read_text(encoding="utf-8")
    assert "results.add_options(" in source
    assert "results.hand_over(" in source
    assert '"--json"' not in source


def test_figures_are_kept_with_machine_commit_and_day(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks/bench_pool.py", "--save"])
    figures = {"machine": "dropped", "options": {"k": 3, "json": False, "save": ""}, "ratio": 0.5}
    path = results.save("pool", figures, tmp_path)
    kept = json.loads(path.read_text())
    assert kept["figures"] == {"options": {"k": 3}, "ratio": 0.5}
    assert kept["command"] == "python benchmarks/bench_pool.py --save"
    assert {"machine", "commit", "date"} <= set(kept)
    assert f"wrote {path}" in capsys.readouterr().err


def test_json_is_printed_where_it_is_asked_for(capsys):
    parser = argparse.ArgumentParser()
    results.add_options(parser)
    assert not results.hand_over(parser.parse_args([]), {"ratio": 0.5})
    assert results.hand_over(parser.parse_args(["--json"]), {"ratio": 0.5})
    assert json.loads(capsys.readouterr().out) == {"ratio": 0.5}
