"""Full ranking in parts: its metrics are those of evaluate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fashion_hash.bulk.jobs import run_job
from fashion_hash.bulk.ranking import RankAll
from fashion_hash.cli import main
from fashion_hash.errors import TrainingError
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.runs.run import Run
from tests.worlds.jobs_world import small_run

pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("ranked"))


def test_metrics_are_those_of_one_process(run: Path, tmp_path: Path) -> None:
    job, out = RankAll.of(run, scores_a_part=300), tmp_path / "out"
    done = run_job(job, out)
    assert done.parts == 8
    measured, protocols = job.write_metrics(out), evaluate(Run.open(run), full=True)["protocols"]
    assert set(measured) == {"full_outfits", "full_top", "full_bottom"}
    for name, metrics in measured.items():
        expected = {**protocols[name]["binary"], "statement": protocols[name]["statement"]}
        coverage, of_evaluate = metrics.pop("coverage@20"), expected.pop("coverage@20")
        assert metrics == expected
        assert coverage == pytest.approx(of_evaluate, rel=1e-12)  # logs are added up in another order
    assert (
        measured["full_outfits"]["rows"] + measured["full_top"]["rows"] + measured["full_bottom"]["rows"] == done.rows
    )
    row = pq.read_table(out / "part-00000.parquet").to_pylist()[0]
    assert (row["protocol"], row["list"]) == ("full_outfits", 0)
    assert row["tied"] >= 1


def test_what_was_trained_again_stops_the_job(run: Path, tmp_path: Path) -> None:
    job = RankAll.of(run)
    before = replace(job, state="another-state")
    with pytest.raises(TrainingError, match="was changed since the job began"):
        run_job(before, tmp_path / "out")
    assert run_job(job, tmp_path / "now").new == 3


def test_the_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["rank-all", str(run), "--split", "valid", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"wrote {tmp_path / 'out'}: ")
    assert "valid: all 15 items of type top ranked for each user" in out
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads((tmp_path / "out/metrics.json").read_text())
    assert "1 part, 1 part of them there before" in err or "parts of them there before" in err
    assert main(["rank-all", str(tmp_path), "--out", str(tmp_path / "none")]) == 2
    assert "error: " in capsys.readouterr().err
