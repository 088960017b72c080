"""Full ranking of the validation split after an epoch: what best_by, patience, the plateau schedule and curves may use.

    valid_recall@20, valid_ndcg@20, valid_mrr   all outfits of the pool for each user
    valid_recall@20:bottom                      all bottoms for each user and outfit without one, if best_by says so

Each is measured for binary codes, and under its name + "_relaxed" for relaxed ones. What users liked in training is
left out. Where that takes more than `MOST` scores, users (or partial outfits) are drawn: by the seed of the experiment,
so that they are the same in all epochs.
"""

from __future__ import annotations

import numpy as np

from fashion_hash.config.experiment import Config
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError
from fashion_hash.evaluation.ranking.protocols import FULL_OUTFITS, FullProtocol, full_protocols
from fashion_hash.evaluation.ranking.rank import FullRanking
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.runs.scoring import ModelScorer

MOST = 2 * 10**8
"""The most scores of a form of the codes in an epoch: some seconds."""

UNASKED = 2 * 10**7
"""Up to so many scores, all outfits are ranked in every epoch even if nothing depends on it."""

ENCODED = 10**5
"""The most outfits that are encoded for items of an open slot."""

LENGTH = 20


class FullValidation:
    """Ranks the validation split fully.

    Args:
        config: of the experiment.
        dataset: its data.
        trained: (U,) bool, the users with a training outfit.

    Attributes:
        protocols: what is ranked, by name.

    Raises:
        ConfigError: train.best_by names an item type without anything to rank.
    """

    def __init__(self, config: Config, dataset: Dataset, trained: np.ndarray) -> None:
        self._dataset, self._trained = dataset, trained
        self._criterion = criterion = config.train.criterion
        self.protocols: dict[str, FullProtocol] = {}
        if "valid" not in dataset.splits or not len(dataset.split("valid").positives):
            return
        asked = None if criterion.metric == "auc" else f"full_{criterion.item_type or 'outfits'}"
        if criterion.item_type is not None and criterion.item_type not in dataset.types:
            raise ConfigError(
                f"train.best_by {config.train.best_by}: {dataset.name} has the item types {', '.join(dataset.types)}"
            )
        if criterion.item_type is not None and len(dataset.slots) == 1:
            raise ConfigError(
                f"train.best_by {config.train.best_by}: outfits of {dataset.name} have one slot, so that none is left "
                "open in the rest of an outfit; recall@K without a type ranks all of them"
            )
        self._seed = config.seed
        for name, protocol in full_protocols(dataset, "valid", only=[FULL_OUTFITS, asked or FULL_OUTFITS]).items():
            if protocol.lists.has_negatives and (name == asked or protocol.lists.scores <= UNASKED):
                self.protocols[name] = protocol.sample(MOST, config.seed)
        if asked is not None and asked not in self.protocols:
            raise ConfigError(
                f"train.best_by {config.train.best_by}: the validation split of {dataset.name} has nothing to rank "
                "that is not known from training; use best_by auc"
            )

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each ranking that needs a sample."""
        return tuple(protocol.statement for protocol in self.protocols.values() if protocol.is_sample)

    def __call__(self, scorer: ModelScorer) -> dict[str, float]:
        """The metrics of a form of the codes, by name without "valid_": "recall@20", ..., and that of best_by."""
        if not self.protocols:
            return {}
        full = full_scores(scorer, self._trained)
        outfits = full.outfits(self._dataset.outfits) if FULL_OUTFITS in self.protocols else None
        metrics: dict[str, float] = {}
        for name, protocol in self.protocols.items():
            if protocol.of_items and not full.fast_items:
                protocol = protocol.sample(ENCODED, self._seed)
            ranking = protocol.rank(outfits, full.items)
            if name == FULL_OUTFITS:
                metrics |= _metrics(ranking, LENGTH)
            criterion = self._criterion
            if criterion.metric != "auc" and name == f"full_{criterion.item_type or 'outfits'}":
                metrics[criterion.name] = _metrics(ranking, criterion.length)[criterion.measured]
        return metrics


def _metrics(ranking: FullRanking, length: int) -> dict[str, float]:
    every = ranking.metrics((length,))
    return {name: every[name] for name in (f"recall@{length}", f"ndcg@{length}", "mrr")}
