"""How outfits are composed and explained, by the way in which a bundle scores them: one line for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fashion_hash.bundle.bundle import ScoringKind
from fashion_hash.retrieval.composition.compose import Compose, compose
from fashion_hash.retrieval.composition.encoded.by_vectors import compose_encoded
from fashion_hash.retrieval.explanation.codes import Explanation, explain
from fashion_hash.retrieval.explanation.vectors import explain_encoded


class Methods(NamedTuple):
    """What answers for one kind of scoring.

    Attributes:
        compose: called as composition.compose.compose.
        exhaustive: whether `compose` can prove its answer; a re-ranked shortlist is never proven.
        explain: called as explanation.codes.explain.
    """

    compose: Compose
    exhaustive: bool
    explain: Callable[..., Explanation]


# by Bundle.scoring
METHODS: dict[ScoringKind, Methods] = {
    "codes": Methods(compose, True, explain),
    "vectors": Methods(compose_encoded, False, explain_encoded),
}
