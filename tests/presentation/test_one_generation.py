"""A page made while the bundle changes shows one generation."""

import json
from pathlib import Path

import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.commands import query
from fashion_hash.errors import BundleError, UnknownIdError
from fashion_hash.presentation.one_generation import TRIES, of_one_generation
from fashion_hash.retrieval.answers import Hit
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.generations import add_generation, retrain


def test_a_switch_between_answer_and_page_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1, num_items=12)
    answer, switches = Recommender.answer, []

    def answer_and_switch(self: Recommender, *args: object, **options: object) -> list[Hit]:
        hits = answer(self, *args, **options)  # type: ignore[arg-type]
        if not switches:
            switches.append(retrain(path, seed=2, num_items=4))
        return hits

    monkeypatch.setattr(Recommender, "answer", answer_and_switch)
    page = tmp_path / "page.html"
    assert (
        query.main([str(path), "--user", "user-1", "-k", "20", "--max-per", "none", "--json", "--page", str(page)]) == 0
    )
    bundle = Bundle.open(path)
    shown = json.loads(capsys.readouterr().out)
    assert shown["fingerprint"] == bundle.fingerprint
    monkeypatch.undo()
    expected = [hit.outfit_id for hit in Recommender.load(path).answer("user-1", 20)]
    assert [hit["outfit_id"] for hit in shown["users"]["user-1"]["hits"]] == expected
    assert bundle.fingerprint in page.read_text()
    assert "top-11" not in page.read_text()


def test_an_item_that_was_removed_meanwhile_asks_again(tmp_path: Path) -> None:
    add_generation(tmp_path / "bundle", seed=1)
    recommender, tries = Recommender.load(tmp_path / "bundle"), []

    def make() -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            recommender.remove_items({"top": ["top-1"]})
            raise UnknownIdError("unknown top 'top-1'")
        return 7

    assert of_one_generation(recommender, make) == 7
    assert tries == [0, 1]

    def unknown() -> int:
        tries.append(len(tries))
        raise UnknownIdError("unknown user 'nobody'")

    with pytest.raises(UnknownIdError, match="nobody"):
        of_one_generation(recommender, unknown)
    assert len(tries) == 3


def test_a_bundle_that_never_rests_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    add_generation(path, seed=1, count=20)
    recommender, seeds = Recommender.load(path), iter(range(2, 2 + TRIES))
    with pytest.raises(BundleError, match="changed during each of 5 attempts"):
        of_one_generation(recommender, lambda: retrain(path, seed=next(seeds), count=20))
