"""A shop's own file of words beside a bundle, set and edited while processes answer from it."""

from pathlib import Path

import pytest

from fashion_hash.bundle.shop_words import FILE, remove_words, set_words
from fashion_hash.commands.data import words as command
from fashion_hash.errors import BundleError, ConfigError
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.words_world import words_bundle

OURS = "synonyms: {colour: {cherry: [red]}}\ncolumns: {material: {hard: true}}\n"


@pytest.fixture
def recommender(tmp_path: Path) -> Recommender:
    return Recommender.load(words_bundle(tmp_path / "bundle", facts=(0.1, 0.1)).path)


def understood(recommender: Recommender, text: str) -> list[tuple[object, bool]]:
    return [(fact.value, fact.hard) for fact in recommender.understand(text).facts]


def test_words_count_from_the_next_request(recommender: Recommender, tmp_path: Path) -> None:
    root, text = recommender.bundle.root, "a cherry skirt in silk"
    exported = [("skirt", True), ("silk", False)]
    assert understood(recommender, text) == exported
    file = tmp_path / "ours.yaml"
    file.write_text(OURS)
    set_words(root, file, "english")
    assert understood(recommender, text) == [("red", True), ("skirt", True), ("silk", True)]
    assert recommender.search(text, k=1).complete.all()
    (root / FILE).write_text(OURS.replace("cherry", "sour cherry"))  # edited in place
    assert understood(recommender, "sour cherry skirt") == [("red", True), ("skirt", True)]
    assert understood(Recommender.load(root), "sour cherry") == [("red", True)]
    assert remove_words(root)
    assert not remove_words(root)
    assert understood(recommender, text) == exported


def test_a_file_that_does_not_fit_changes_nothing(recommender: Recommender, tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text("synonyms:\n  colour: {cherry: red}\n")
    with pytest.raises(ConfigError, match=r"ours.yaml:2: synonyms.colour.cherry"):
        set_words(recommender.bundle.root, file, "english")
    assert not (recommender.bundle.root / FILE).exists()
    (recommender.bundle.root / FILE).write_text("synonims: {}\n")
    with pytest.raises(BundleError, match=r"words.yaml:1: unknown key 'synonims'.*synonyms.*fashion-hash words"):
        recommender.search("red skirt")
    (recommender.bundle.root / FILE).write_text(OURS)
    assert understood(recommender, "cherry") == [("red", True)]


def test_the_command(recommender: Recommender, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, file = str(recommender.bundle.root), tmp_path / "ours.yaml"
    file.write_text(OURS)

    def run(*options: str, status: int = 0) -> str:
        assert command.main([root, *options]) == status
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.err

    assert "english, as exported" in run()
    assert "fits" in run("--check", str(file))
    assert "as exported" in run()
    assert "is set from" in run("--set", str(file))
    assert "words.yaml" in run()
    assert "cherry:\n" in run("--show")
    assert "is removed" in run("--remove")
    assert "has no words.yaml" in run("--remove")
    file.write_text("stop: 3")
    assert "ours.yaml:1: stop" in run("--set", str(file), status=2)


def test_a_bundle_without_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = words_bundle(tmp_path / "bundle")
    assert command.main([str(bundle.path)]) != 0
    assert "does not read facts" in capsys.readouterr().err
