"""Bundles and runs of every format version open and answer as they did when they were made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.export.requests import export_requests
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.training.runs.run import Run
from tests.golden.answers import ask
from tests.golden.make import with_details
from tests.worlds.tiny import tiny_dataset
from tests.worlds.tiny_requests import tiny_requests

GOLDEN = Path(__file__).resolve().parent / "golden"
CASES = sorted(path.relative_to(GOLDEN).as_posix() for path in GOLDEN.glob("v*/*"))


def same(found, wanted, exact):
    """Equal: numbers to the last bit, or where matrix products differ between machines to nine digits."""
    if isinstance(wanted, dict):
        assert sorted(found) == sorted(wanted)
        for key in wanted:
            same(found[key], wanted[key], exact)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other, exact)
    elif isinstance(wanted, float) and not exact:
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    else:
        assert found == wanted


def test_there_is_a_golden_bundle_of_each_kind():
    assert {"v1/fhn", "v1/encoder", "v1/requests"} <= set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_golden_bundle_answers_as_when_it_was_made(case, tmp_path):
    wanted = json.loads((GOLDEN / case / "answers.json").read_text())
    found = json.loads(json.dumps(ask(GOLDEN / case / "bundle", tmp_path / "bundle")))
    same(found, wanted, exact=not case.endswith("/encoder"))


@pytest.mark.parametrize("engine", ["scan", "factored", "hamming", "sums"])
def test_every_engine_reads_the_golden_index(engine, tmp_path):
    wanted = json.loads((GOLDEN / "v1/fhn/answers.json").read_text())["outfits"]
    recommender = Recommender.load(shutil.copytree(GOLDEN / "v1/fhn/bundle", tmp_path / "bundle"), engine=engine)
    for user, answers in wanted.items():
        ids, scores = recommender.recommend(None if user == "None" else user, 10)
        assert [[str(one), score] for one, score in zip(ids, scores.tolist(), strict=True)] == answers["recommend"]


@pytest.mark.parametrize("case", ["v1/fhn", "v1/encoder"])
def test_a_golden_run_exports_the_codes_of_its_bundle(case, tmp_path):
    slots = tuple(json.loads((GOLDEN / case / "answers.json").read_text())["types"])
    dataset = with_details(slots) if case == "v1/fhn" else tiny_dataset(slots)
    run = Run.open(shutil.copytree(GOLDEN / case / "run", tmp_path / "run"))
    exported, golden = export_bundle(run, tmp_path / "bundle", dataset), Bundle.open(GOLDEN / case / "bundle")
    same_bits(exported.user_codes, golden.user_codes)
    for kind in golden.types:
        same_bits(exported.item_codes[kind], golden.item_codes[kind])


def test_a_golden_run_of_requests_exports_the_codes_of_its_bundle(tmp_path):
    run = RequestRun.open(shutil.copytree(GOLDEN / "v1/requests/run", tmp_path / "run"))
    exported = export_requests(run, tmp_path / "bundle", tiny_requests())
    same_bits(exported.user_codes, Bundle.open(GOLDEN / "v1/requests/bundle").user_codes)


def same_bits(found, wanted):
    """All but the bits of values so near 0 that machines round them to either sign: at most 1 in 1,000."""
    assert found.shape == wanted.shape
    assert np.unpackbits(found ^ wanted).mean() <= 0.001
