"""The table of baselines over click matrices, with the settings that are tried on validation.

A method is fitted twice: to users by outfits of the pool, and to users by items. Another method is one function that
takes `Clicks` and settings and returns `ScoreColumns`, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from fashion_hash.evaluation.baselines.clicks import ScoreColumns
from fashion_hash.evaluation.baselines.ease import ease
from fashion_hash.evaluation.baselines.factors import bpr, ials
from fashion_hash.evaluation.baselines.neighbours import item_knn, user_knn
from fashion_hash.evaluation.baselines.plain import nothing, popular
from fashion_hash.evaluation.baselines.spectral import gf_cf

Settings = Mapping[str, Any]


Use = Literal["negatives", "outfits", "slots"]
USES: frozenset[Use] = frozenset(get_args(Use))


class Method(NamedTuple):
    """A click model.

    Attributes:
        fit: makes scores from clicks and settings.
        settings: what is tried on validation; the first is taken where there is no validation split.
        seeded: whether `fit` takes a seed.
        uses: what is measured: outfits against "negatives", all "outfits" of the pool, all items of open "slots".
        columns: the matrices that may score the pool: users by "outfits", or by "items".
        weights: how much co-occurrence with the chosen items counts beside the user in an open slot, tried on
            validation.
    """

    fit: Callable[..., ScoreColumns]
    settings: Sequence[Settings] = ({},)
    seeded: bool = False
    uses: frozenset[Use] = USES
    columns: Sequence[Literal["outfits", "items"]] = ("outfits", "items")
    weights: Sequence[float] = (1.0, 0.0, 0.3, 3.0)


_NEIGHBOURS = tuple({"k": k, "shrinkage": shrinkage} for k, shrinkage in ((100, 10.0), (500, 10.0), (100, 0.0)))

RECENT, ID_DISTANCE = "recent popularity", "id distance"

METHODS: Mapping[str, Method] = {
    "popularity": Method(popular, columns=("outfits",), weights=(0.0,)),
    "popularity of items": Method(popular, uses=frozenset({"outfits"}), columns=("items",)),
    RECENT: Method(popular, tuple({"half_life": share} for share in (0.125, 0.5, 0.03, 0.008)), weights=(0.0,)),
    "co-occurrence": Method(nothing, uses=frozenset({"slots"}), weights=(1.0,)),
    "user-kNN": Method(user_knn, _NEIGHBOURS),
    "item-kNN": Method(item_knn, _NEIGHBOURS),
    "EASE": Method(ease, tuple({"regularisation": value} for value in (100.0, 10.0, 1000.0))),
    "GF-CF": Method(
        gf_cf,
        ({"factors": 256, "alpha": 0.3}, {"factors": 64, "alpha": 0.3}, {"factors": 1, "alpha": 0.0}),
        seeded=True,
    ),
    "iALS": Method(
        ials,
        tuple(
            {"factors": 128, "regularisation": regularisation, "alpha": alpha}
            for regularisation, alpha in ((0.1, 10.0), (1.0, 10.0), (0.1, 1.0), (1.0, 40.0))
        ),
        seeded=True,
    ),
    "BPR": Method(
        bpr,
        ({"factors": 64, "rate": 0.05, "regularisation": 0.01}, {"factors": 64, "rate": 0.02, "regularisation": 0.1}),
        seeded=True,
    ),
}
"""By name, in the order in which they are printed."""
