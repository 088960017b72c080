"""Which words a run reads requests with: those of its titles' language, or as its configuration says."""

from dataclasses import replace
from pathlib import Path

import pytest

from fashion_hash.config.experiment import make_request_config
from fashion_hash.errors import ConfigError
from fashion_hash.training.requests.facts import CatalogueFacts, words_of
from tests.worlds.tiny_requests import tiny_requests


def config(**words: str):
    values = {"name": "run", "data": {"format": "request_table", "root": "x"}, "requests": {}, "words": words}
    return make_request_config(values, "run.yaml")


def test_the_language_of_the_titles_or_of_the_configuration(tmp_path: Path) -> None:
    data = tiny_requests(users=5, events=2)
    assert words_of(config(), data).language == "english"
    texts = ("rotes Kleid mit Punkten für die Hochzeit", "schwarze Hose aus Wolle")
    german = replace(
        data,
        descriptions={
            name: tuple(texts[row % 2] for row in range(len(of_type))) for name, of_type in data.descriptions.items()
        },
    )
    assert words_of(config(), german).language == "german"
    assert words_of(config(language="french"), german).language == "french"
    assert CatalogueFacts(german, words_of(config(), german)).words.language == "german"
    file = tmp_path / "words.yaml"
    file.write_text("language: german\nvague: [egal]\n")
    assert "egal" in words_of(config(file=str(file)), data).vague
    with pytest.raises(ConfigError, match="language must be one of"):
        words_of(config(language="klingon"), data)
    with pytest.raises(ConfigError, match=r"words\.langage"):
        config(langage="german")
