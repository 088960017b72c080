"""The protocols of full ranking on a split: "full_outfits", and "full_TYPE" for each item type.

`full_outfits` ranks all outfits of the pool for each user, `full_top` all tops for each user and outfit that lacks one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.errors import QueryError, counted
from fashion_hash.evaluation.ranking.lists import Integers, Lists, item_lists, known_names, known_parts, outfit_lists
from fashion_hash.evaluation.ranking.rank import (
    Counts,
    FullRanking,
    count_items,
    count_outfits,
    rank_items,
    rank_outfits,
)
from fashion_hash.evaluation.ranking.scores import ScoreItems, ScoreOutfits

FULL_OUTFITS = "full_outfits"

_NAMES = {"train": "training", "valid": "validation"}


@dataclass(frozen=True)
class FullProtocol:
    """A full ranking of a split.

    Attributes:
        name: "full_outfits", or "full_" and an item type.
        statement: one line that says what its figures were measured on.
        lists: what is ranked.
        is_sample: whether they were drawn from more lists.
    """

    name: str
    statement: str
    lists: Lists
    is_sample: bool = False

    @property
    def of_items(self) -> bool:
        """Whether items of an open slot are ranked, not outfits."""
        return self.lists.partial is not None

    def sample(self, most: int, seed: int) -> FullProtocol:
        """The same for lists that take at most `most` scores, drawn with a seed where there are more."""
        few = self.lists.sample(most, seed)
        if few is self.lists:
            return self
        note = f"; {len(few):,} of {counted(len(self.lists), 'list')}, drawn with seed {seed}"
        return replace(self, lists=few, statement=self.statement + note, is_sample=True)

    def count(self, outfits: ScoreOutfits, items: ScoreItems, numbers: Integers) -> Counts:
        """What is counted in some of the lists, with the scorer that the protocol needs: see `FullRanking.of`."""
        lists = self.lists.of(numbers)
        return count_items(items, lists) if self.of_items else count_outfits(outfits, lists)

    def rank(self, outfits: ScoreOutfits | None = None, items: ScoreItems | None = None) -> FullRanking:
        """Ranks the lists with the scorer that the protocol needs.

        Args:
            outfits: scores all outfits of the pool.
            items: scores all items of an open slot.

        Raises:
            QueryError: the scorer that it needs is missing, or its scores cannot be ranked.
        """
        if self.of_items:
            if items is None:
                raise QueryError(f"{self.name} needs a scorer of the items of an open slot")
            return rank_items(items, self.lists)
        if outfits is None:
            raise QueryError(f"{self.name} needs a scorer of all outfits of the pool")
        return rank_outfits(outfits, self.lists)


def full_protocols(
    dataset: Dataset, split: str, part: Split | None = None, only: Sequence[str] | None = None
) -> dict[str, FullProtocol]:
    """The full rankings of a split, by name; those without anything to rank are left out.

    Args:
        dataset: the data.
        split: the name of the split, which says what is known: what comes before it.
        part: rows of the split; all by default.
        only: names of protocols; all by default.
    """
    part = dataset.split(split) if part is None else part
    known = known_parts(dataset, split)
    before = " and ".join(_NAMES[name] for name in known_names(dataset, split))
    without = f", without those known from {before}" if before else ""
    start = f"{dataset.name}, {split}: "
    protocols = {}
    if only is None or FULL_OUTFITS in only:
        lists = outfit_lists(dataset, part, known)
        line = f"{start}all {lists.size:,} outfits of the pool ranked for each user{without}; {_rule('users', 'user')}"
        protocols[FULL_OUTFITS] = FullProtocol(FULL_OUTFITS, line, lists)
    for item_type in dataset.types if len(dataset.slots) > 1 else ():
        name = f"full_{item_type}"
        if only is None or name in only:
            lists = item_lists(dataset, part, known, item_type)
            line = (
                f"{start}all {lists.size:,} items of type {item_type} ranked for each user and outfit that lacks one"
                f"{without}; {_rule('partial outfits', 'partial outfit')}"
            )
            protocols[name] = FullProtocol(name, line, lists)
    return {name: protocol for name, protocol in protocols.items() if len(protocol.lists)}


def _rule(lists: str, each: str) -> str:
    return (
        f"all positives of a {each} in one list; recall@k: share of them among the first k; ndcg@k: against their best "
        f"order; mrr: of the first; ties as the mean over their orders; mean over {lists}; coverage@20: share of the "
        "candidates among the first 20 of any list"
    )
