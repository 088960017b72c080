"""Validation after an epoch: the AUC of relaxed and of binary codes, and where they rank everything."""

from __future__ import annotations

from typing import Any

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset, Groups, Split
from fashion_hash.data.negatives import NegativeSampler, as_groups
from fashion_hash.evaluation.protocols import evaluate_split
from fashion_hash.models.network import Network
from fashion_hash.training.ranking.validation import FullValidation
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.scoring import ModelScorer, as_answered, trained_users

DRAWN_RATIO = 10


def drawn_negatives(
    dataset: Dataset, split: str, seed: int, ratio: int = DRAWN_RATIO, part: Split | None = None
) -> Groups:
    """Draws random negatives for a split, or a part of it, without negatives; they depend only on the seed."""
    positives = (part or dataset.split(split)).positives
    drawn = NegativeSampler(positives).random(generator(seed, "negatives of", split), ratio)
    return as_groups(positives, drawn)


def drawn_beside(known: Outfits, split: str, part: Split, seed: int, ratio: int = DRAWN_RATIO) -> dict[str, Groups]:
    """Draws the kinds of negatives that a split lacks or has only one of for each positive, to rank against.

    Args:
        known: outfits that are never negatives of their user; its users are numbered as in `part`.
        split: the name of the split, for the random stream.
        part: the rows of the split, or of some of its users.
        seed: of the experiment.
        ratio: negatives for each positive.

    Returns:
        "random_drawn" (mixes of the split's items) and "hard_drawn" (another user's positive of the split),
        each only if the split needs it.
    """
    sampler = NegativeSampler(part.positives, known)
    draws = {"random": sampler.random, "hard": sampler.hard}
    groups = {}
    for kind, draw in draws.items():
        if kind not in part.negatives or part.negatives[kind].size == 1:
            drawn = draw(generator(seed, kind, "negatives beside those of", split), ratio)
            groups[f"{kind}_drawn"] = as_groups(part.positives, drawn)
    return groups


def validation_split(dataset: Dataset, seed: int) -> Split | None:
    """The validation split with its random negatives, or with drawn ones; None if the data has no such split."""
    if "valid" not in dataset.splits:
        return None
    split = dataset.split("valid")
    return Split(split.positives, {"random": split.negatives.get("random") or drawn_negatives(dataset, "valid", seed)})


class Validation:
    """Measures a model on the validation split, against its random negatives or drawn ones.

    Users without a training outfit are anonymous, as in a bundle.

    Every metric is None if the data set has no validation split.
    """

    def __init__(self, config: Config, dataset: Dataset, inputs: ItemInputs) -> None:
        self._inputs = inputs
        self._users = config.user.code
        self._trained = trained_users(dataset)
        self._split = validation_split(dataset, config.seed)
        self._full = FullValidation(config, dataset, self._trained)

    def __call__(self, model: Network, slope: float) -> dict[str, Any]:
        """The metrics of an epoch.

        Returns:
            "valid_auc", the AUC of binary codes, with users in the form of user.code, "valid_auc_relaxed", that of
            relaxed codes with this slope, and in the same way what `FullValidation` measures: "valid_recall@20",
            "valid_recall@20_relaxed" and so on.
        """
        metrics: dict[str, Any] = {}
        for form, suffix in ((None, ""), (slope, "_relaxed")):
            scorer = ModelScorer(model, self._inputs, form, self._users if form is None else "bits")
            metrics[f"valid_auc{suffix}"] = self.auc(scorer)
            metrics |= {f"valid_{name}{suffix}": value for name, value in self._full(scorer).items()}
        return metrics

    @property
    def lines(self) -> tuple[str, ...]:
        """What full rankings of each epoch are measured on, for whoever trains."""
        return self._full.lines

    def auc(self, scorer: ModelScorer) -> float | None:
        """AUC of a scorer on the validation split; None without one."""
        if self._split is None:
            return None
        (metrics,) = evaluate_split(as_answered(scorer, self._trained), self._split).values()
        return float(metrics["auc"])
