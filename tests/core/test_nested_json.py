"""JSON nested deeper than Python reads is an error of the tree, wherever a file of a bundle holds JSON."""

from pathlib import Path

import pytest

from fashion_hash.encoders.contract import MANIFEST
from fashion_hash.encoders.open import open_encoder
from fashion_hash.encoders.pictures import open as pictures
from fashion_hash.errors import BundleError, FeatureError
from fashion_hash.index.engines.sums.files import FOLDER, open_scan
from fashion_hash.understanding.facts import read_facts

NESTED = "[" * 100_000


def test_nested_json_is_an_error_of_the_tree(tmp_path: Path) -> None:
    for name in {MANIFEST, pictures.MANIFEST, f"{FOLDER}/scan.json", "facts.json"}:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(NESTED)
    with pytest.raises(FeatureError, match="does not hold a readable encoder"):
        open_encoder(tmp_path)
    with pytest.raises(FeatureError):
        pictures.open_pictures_encoder(tmp_path)
    with pytest.raises(BundleError, match=r"scan\.json is not readable"):
        open_scan(tmp_path, 128, 10)
    with pytest.raises(BundleError, match="facts"):
        read_facts(tmp_path, {})
