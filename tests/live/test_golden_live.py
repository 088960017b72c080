"""Live catalogues of every earlier format open and answer as they did when they were made."""

import json
import shutil
from pathlib import Path

from fashion_hash.retrieval.recommender import Recommender
from tests.golden.answers import ask

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def golden_bundle(folder: Path) -> Path:
    """The golden bundle with changes of the first format: one compaction, and a log since then."""
    bundle = shutil.copytree(GOLDEN / "v1/fhn/bundle", folder / "bundle")
    shutil.rmtree(bundle / "live")
    shutil.copytree(GOLDEN / "live/v1/live", bundle / "live")
    return bundle


def expected() -> dict:
    return json.loads((GOLDEN / "live/v1/answers.json").read_text())


def test_a_live_catalogue_of_the_first_format_answers_as_when_it_was_made(tmp_path: Path) -> None:
    assert json.loads(json.dumps(ask(golden_bundle(tmp_path), tmp_path / "copy"))) == expected()


def test_a_reader_follows_a_writer_that_brings_the_file_up_to_date(tmp_path: Path) -> None:
    bundle = golden_bundle(tmp_path)
    reader, writer = Recommender.load(bundle), Recommender.load(bundle)
    before = len(reader)
    writer.remove_outfits(["outfit-000007"])
    assert len(reader) == before - 1
    assert writer.compact()
    assert len(reader) == before - 1
    assert [[str(one), score] for one, score in zip(*reader.recommend("u0", 3))] == [
        pair for pair in expected()["outfits"]["u0"]["recommend"] if pair[0] != "outfit-000007"
    ][:3]
