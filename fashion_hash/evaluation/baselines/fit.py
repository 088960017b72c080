"""Fitting the baselines of a data set: settings by the validation split, then scores for every protocol.

The settings of each use are chosen by what is measured there: pairs and rankings against negatives by the validation
AUC, full rankings by the validation recall@20 of a sample of users or rows. The test split is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple, TypeVar

from scipy.sparse import csr_matrix

from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import MissingExtraError, QueryError, suggest
from fashion_hash.evaluation.baselines.clicks import Clicks, ScoreColumns, item_clicks, outfit_clicks
from fashion_hash.evaluation.baselines.methods import (
    ID_DISTANCE,
    METHODS,
    RECENT,
    Method,
    Settings,
)
from fashion_hash.evaluation.baselines.plain import IdDistance, chance, nothing
from fashion_hash.evaluation.baselines.scorers import co_occurrence, outfit_scores, pool_scores, slot_scores
from fashion_hash.evaluation.protocols import Score
from fashion_hash.evaluation.ranking.scores import ScoreItems, ScoreOutfits

Scorer = TypeVar("Scorer")
Chosen = TypeVar("Chosen")
Candidates = Sequence[tuple[Settings, ScoreColumns]]
CHANCE = "chance"
BASELINES = (CHANCE, *METHODS, ID_DISTANCE)
"""The names of all baselines that need no features and no torch, in the order in which they are printed."""


class Uses(NamedTuple):
    """What is measured, so that nothing else is fitted.

    Attributes:
        negatives: whether outfits are scored against negatives.
        outfits: whether the whole pool is ranked for users.
        slots: the slots whose items are all ranked, by position.
    """

    negatives: bool = True
    outfits: bool = True
    slots: tuple[int, ...] = ()


class Validate(NamedTuple):
    """How settings are chosen: functions from scores to a figure, higher is better; None without a validation split.

    Attributes:
        score: for scores of outfits against negatives.
        outfits: for scores of the pool.
        items: for a slot, by its position, and scores of its items.
    """

    score: Callable[[Score], float] | None = None
    outfits: Callable[[ScoreOutfits], float] | None = None
    items: Callable[[int, ScoreItems], float] | None = None


@dataclass
class Fitted:
    """A fitted baseline.

    Attributes:
        score: of outfits against negatives, or None where it says nothing of them.
        outfits: of the pool, or None.
        items: of each open slot, by its position.
        settings: what was chosen, by use: "outfits", "full_outfits", "full_SLOT".
        slow: whether it encodes every completed outfit to score the items of a slot.
    """

    score: Score | None = None
    outfits: ScoreOutfits | None = None
    items: dict[int, ScoreItems] = field(default_factory=dict)
    settings: dict[str, Settings] = field(default_factory=dict)
    slow: bool = False


class Fitter:
    """Fits baselines to the training split of a data set, one after another.

    Args:
        dataset: the data.
        uses: what is measured.
        validate: how settings are chosen.
        seed: of methods that draw random numbers.
    """

    def __init__(self, dataset: Dataset, uses: Uses, validate: Validate, seed: int = 0) -> None:
        """Keeps the data; click matrices are made when they are first needed."""
        self.dataset, self.uses, self.validate, self.seed = dataset, uses, validate, seed

    def __call__(self, name: str) -> Fitted:
        """A baseline by its name.

        Raises:
            QueryError: there is no baseline of that name, or it cannot be had from this data; the message says why.
            MissingExtraError: it needs a package that is not installed.
        """
        check_names([name])
        if name in (CHANCE, ID_DISTANCE):
            return self._chance() if name == CHANCE else self._id_distance()
        method, fitted = METHODS[name], Fitted()
        if name == RECENT and self._items.times is None:
            raise QueryError("needs a time of every training outfit, and this data has none")
        try:
            of_items = list(self._candidates(method, self._items))
        except QueryError:  # there are too many items for it
            if not self.uses.outfits or not {"outfits"} & method.uses & set(method.columns):
                raise
            self._for_outfits(method, fitted, ())
            return fitted
        self._for_negatives(method, fitted, of_items)
        self._for_outfits(method, fitted, of_items)
        self._for_slots(method, fitted, of_items)
        return fitted

    def all(self, names: Sequence[str] = BASELINES) -> Iterator[tuple[str, Fitted | str]]:
        """Each baseline with its name, or the reason why it cannot be had from this data.

        Raises:
            QueryError: there is no baseline of one of the names.
        """
        check_names(names)
        for name in names:
            try:
                yield name, self(name)
            except (QueryError, MissingExtraError) as error:
                yield name, str(error)

    @cached_property
    def _items(self) -> Clicks:
        return item_clicks(self.dataset)

    @cached_property
    def _outfits(self) -> Clicks:
        return outfit_clicks(self.dataset)

    @cached_property
    def _together(self) -> csr_matrix:
        return co_occurrence(self.dataset)

    def _candidates(self, method: Method, clicks: Clicks) -> Iterator[tuple[Settings, ScoreColumns]]:
        tried = method.settings if "valid" in self.dataset.splits else method.settings[:1]
        for settings in tried:
            yield settings, method.fit(clicks, **settings, **({"seed": self.seed} if method.seeded else {}))

    def _for_negatives(self, method: Method, fitted: Fitted, of_items: Candidates) -> None:
        if self.uses.negatives and "negatives" in method.uses:
            made = [(settings, outfit_scores(by_item, self.dataset)) for settings, by_item in of_items]
            chosen, score = best(made, self.validate.score)
            fitted.settings["outfits"], fitted.score = chosen, score

    def _for_outfits(self, method: Method, fitted: Fitted, of_items: Candidates) -> None:
        if not self.uses.outfits or "outfits" not in method.uses:
            return
        made: list[tuple[Settings, ScoreOutfits]] = []
        if "outfits" in method.columns:
            for settings, by_outfit in self._candidates(method, self._outfits):
                made.append(({"columns": "outfits", **settings}, by_outfit))
        if "items" in method.columns:
            for settings, by_item in of_items:
                made.append(({"columns": "items", **settings}, pool_scores(by_item, self.dataset)))
        chosen, scores = best(made, self.validate.outfits)
        fitted.settings["full_outfits"], fitted.outfits = chosen, scores

    def _for_slots(self, method: Method, fitted: Fitted, of_items: Candidates) -> None:
        for slot in self.uses.slots if "slots" in method.uses else ():
            measure = None if self.validate.items is None else partial(self.validate.items, slot)
            # first what the user has, then how much the chosen items count beside it
            first = method.weights[0]
            users = [((settings, by_item), self._slot(by_item, first)) for settings, by_item in of_items]
            (settings, by_item), _ = best(users, measure)
            weighted = [
                ({**settings, "co_occurrence": weight}, self._slot(by_item, weight)) for weight in method.weights
            ]
            chosen, items = best(weighted, measure)
            fitted.settings[f"full_{self.dataset.slots[slot]}"], fitted.items[slot] = chosen, items

    def _slot(self, by_item: ScoreColumns, weight: float) -> ScoreItems:
        return slot_scores(by_item, self.dataset, self._together, weight)

    def _chance(self) -> Fitted:
        """Random scores against negatives; ties, which are averaged over their orders, where everything is ranked."""
        outfits = nothing(self._outfits) if self.uses.outfits else None
        items: dict[int, ScoreItems] = {slot: self._slot(nothing(self._items), 0.0) for slot in self.uses.slots}
        return Fitted(chance(self.seed), outfits, items)

    def _id_distance(self) -> Fitted:
        distance = IdDistance(self.dataset)
        return Fitted(distance.score, distance.pool, {slot: distance.items for slot in self.uses.slots})


def best(made: Sequence[tuple[Chosen, Scorer]], measure: Callable[[Scorer], float] | None) -> tuple[Chosen, Scorer]:
    """The scorer with the highest figure and its settings; the first of equals, and the first without a measure."""
    if measure is None or len(made) == 1:
        return made[0]
    figures = [measure(scorer) for _, scorer in made]
    return made[figures.index(max(figures))]


def check_names(names: Sequence[str]) -> None:
    """Raises QueryError for a name that no baseline has."""
    for name in names:
        if name not in BASELINES:
            raise QueryError(f"no baseline {name!r}{suggest(name, BASELINES)}: use one of {', '.join(BASELINES)}")
