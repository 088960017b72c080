"""Jobs in parts: the rows are those of the Recommender, whatever was killed, changed or damaged meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fashion_hash.bulk import jobs
from fashion_hash.bulk.jobs import Done, run_job
from fashion_hash.bulk.top_k import TopK
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.commands.bulk import top_k as command
from fashion_hash.errors import BundleError, QueryError
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle

pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    made = new_bundle(tmp_path / "bundle", 40, num_users=7)
    recommender = Recommender.load(made.root)
    recommender.add_user("newcomer", ["outfit-000003"])
    recommender.update_user("user-2", liked=["outfit-000005"])
    return made


def rows_of(folder: Path) -> list[tuple[str, int, str, float]]:
    files = sorted(folder.glob("*.parquet"))
    return [tuple(row.values()) for file in files for row in pq.read_table(file).to_pylist()]


def expected_rows(bundle: Bundle, k: int) -> list[tuple[str, int, str, float]]:
    recommender = Recommender.load(bundle.root, engine="scan")
    rows = []
    for user in [*bundle.users.all(), "newcomer"]:
        ids, scores = recommender.recommend(user, k)
        rows += [(user, place, *one) for place, one in enumerate(zip(ids.tolist(), scores.tolist()), start=1)]
    return rows


@pytest.mark.parametrize("k", [3, 1000])
def test_rows_are_those_of_everybody(bundle: Bundle, tmp_path: Path, k: int) -> None:
    job, out = TopK.of(bundle.root, k, users_a_part=3), tmp_path / "out"
    assert run_job(job, out) == Done(3, len(expected_rows(bundle, k)), 3)
    assert rows_of(out) == expected_rows(bundle, k)
    manifest = json.loads((out / "manifest.json").read_text())
    assert [part["file"] for part in manifest["parts"]] == [file.name for file in sorted(out.glob("*.parquet"))]
    assert sum(part["rows"] for part in manifest["parts"]) == manifest["rows"]


def test_what_was_killed_goes_on(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, out, written, write = TopK.of(bundle.root, 3, users_a_part=2), tmp_path / "out", [], jobs.write_part

    def dying(job: TopK, folder: Path, part: int) -> dict:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(part)
        return write(job, folder, part)

    monkeypatch.setattr(jobs, "write_part", dying)
    with pytest.raises(KeyboardInterrupt):
        run_job(job, out)
    assert not (out / "manifest.json").exists()
    (out / "part-00001.parquet").write_bytes(b"half of it")  # as a torn disk leaves it
    monkeypatch.setattr(jobs, "write_part", lambda *args: written.append(args[2]) or write(*args))
    assert run_job(job, out) == Done(4, 24, 3)
    assert written == [0, 1, 1, 2, 3]  # what was whole is not done again
    assert rows_of(out) == expected_rows(bundle, 3)
    assert run_job(job, out).new == 0


def test_what_a_kill_left_is_removed_and_bad_records_count_for_nothing(bundle: Bundle, tmp_path: Path) -> None:
    job, out = TopK.of(bundle.root, 3, users_a_part=2), tmp_path / "out"
    run_job(job, out)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    (out / ".part-00001.parquet.abc.partial.parquet").write_bytes(b"half")
    for part, text in enumerate(
        ("[]", '{"rows": 1}', json.dumps({**json.loads(before["part-00002.json"]), "rows": "6"}))
    ):
        (out / f"part-{part:05d}.json").write_text(text)
    assert run_job(job, out) == Done(4, 24, 3)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    (out / "job.json").write_text("[]")
    with pytest.raises(BundleError, match=r"job.json cannot be read \(it does not describe a job\): name a new folder"):
        run_job(job, out)


def test_a_folder_belongs_to_one_job(bundle: Bundle, tmp_path: Path) -> None:
    run_job(TopK.of(bundle.root, 3), tmp_path / "out")
    with pytest.raises(BundleError, match=r"holds another job \(k was 3 and is 4\)"):
        run_job(TopK.of(bundle.root, 4), tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="not empty, and holds no job"):
        run_job(TopK.of(bundle.root, 3), tmp_path / "other")
    assert (tmp_path / "other/notes.txt").read_text() == "mine"


def test_a_changed_catalogue_stops_the_job(bundle: Bundle, tmp_path: Path) -> None:
    job = TopK.of(bundle.root, 3)
    Recommender.load(bundle.root).remove_outfits(["outfit-000001"])
    with pytest.raises(BundleError, match="was changed since the job began"):
        run_job(job, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_the_command(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(bundle.root), "--out", str(tmp_path / "out"), "-k", "3"]
    assert command.main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path / 'out'}: 24 rows for 8 users in 1 part\n")
    assert command.main(arguments) == 0
    assert "1 part, 1 part of them there before" in capsys.readouterr().out
    mistakes = {"-k 0": "k must be", "--workers -1": "at least 0", "--address a:1": "give both"}
    for wrong, said in mistakes.items():
        assert command.main([str(bundle.root), "--out", str(tmp_path / "new"), *wrong.split()]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_numbers_without_meaning(bundle: Bundle) -> None:
    with pytest.raises(QueryError, match="users_a_part"):
        TopK.of(bundle.root, users_a_part=0)
    assert replace(TopK.of(bundle.root), users=0).parts() == 0
