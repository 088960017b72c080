"""How composition under an outfit encoder ranks what it looks at."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.index.engines import vectors as encoded
from fashion_hash.retrieval.composition.encoded import by_vectors, ranked
from fashion_hash.retrieval.composition.encoded.by_vectors import compose_encoded
from fashion_hash.retrieval.composition.problem import CompositionTask
from tests.worlds.encoder_bundles import encoder_bundle

FORMS = [{"distance": "euclidean"}, {"distance": "cosine"}, {"output": "bits", "num_bits": 24}]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("most", [None, 2])
def test_what_is_ranked_roughly_first_changes_no_answer(
    tmp_path: Path, form: dict[str, object], most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_vectors, "SHORTLIST_LEAST", 30)
    bundle = encoder_bundle(tmp_path / "b", slots=("top", "top", "bottom"), num_items=12, biased=True, **form)
    task = CompositionTask(bundle, bundle.user_keys[1])
    found = compose_encoded(task, 12, most)
    assert found.scored > 100  # swaps went on from the shortlist
    near, bias = encoded.parts(bundle, task.user_key, found.items)
    np.testing.assert_array_equal(found.scores, near + bias)
    np.testing.assert_array_equal(found.scores, np.sort(found.scores)[::-1])
    assert most is None or max(Counter(found.items[:, :2].ravel().tolist()).values()) <= most
    monkeypatch.setattr(ranked, "ROUGH", np.inf)  # whatever is ranked is ranked exactly
    exactly = compose_encoded(task, 12, most)
    np.testing.assert_array_equal(found.items, exactly.items)
    assert exactly.scored > found.scored
