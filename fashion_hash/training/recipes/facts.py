"""What a recipe follows from: the sizes of the training split, and what is known of the items."""

from __future__ import annotations

from typing import NamedTuple

from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import counted

CLICKS_FROM = 0.5
"""Where at least this share of what was held out for validation are outfits of the training split, people chose among
known outfits; otherwise they made outfits of their own. A small log may have one click an outfit, so that the number of
rows an outfit does not tell."""


class Facts(NamedTuple):
    """Sizes of a data set.

    Attributes:
        users: with a training outfit.
        rows: of the training split.
        outfits: distinct outfits among them.
        known: the share of the validation rows whose outfit is among them; 0 where there is no validation split.
        items: distinct items among them.
        fewest: distinct items of the type that has the fewest.
        uses: how often an item occurs in the training rows, on average.
        has_vectors: whether text vectors come with the items.
        has_titles: whether items have titles.
        has_pictures: whether items have pictures.
    """

    users: int
    rows: int
    outfits: int
    known: float
    items: int
    fewest: int
    uses: float
    has_vectors: bool
    has_titles: bool
    has_pictures: bool

    @classmethod
    def of(cls, dataset: Dataset) -> Facts:
        """The sizes of a data set."""
        positives, content = dataset.split("train").positives, dataset.content
        filled = positives.items != EMPTY
        counts = []
        for item_type in dataset.types:
            slots = [slot for slot, name in enumerate(dataset.slots) if name == item_type]
            of_type = positives.items[:, slots]
            counts.append(len(set(of_type[of_type != EMPTY].tolist())))
        items = sum(counts)
        return cls(
            users=len(set(positives.users.tolist())),
            rows=len(positives),
            outfits=len(positives.distinct()),
            known=_share_known(dataset),
            items=items,
            fewest=min(counts),
            uses=float(filled.sum()) / max(1, items),
            has_vectors=content.text_vectors is not None or "text" in content.features,
            has_titles=any("title" in of for of_type in content.details.values() for of in of_type.values()),
            has_pictures=content.pictures is not None or "image" in content.features,
        )

    @property
    def are_clicks(self) -> bool:
        """Whether users choose among known outfits, instead of making outfits of their own."""
        return self.known >= CLICKS_FROM

    @property
    def line(self) -> str:
        """The facts in words."""
        return (
            f"{counted(self.rows, 'row')} of {counted(self.users, 'user')}, "
            f"{counted(self.outfits, 'distinct outfit')}, {counted(self.items, 'item')} used {self.uses:.1f} times each"
        )

    @property
    def judged(self) -> str:
        """What candidates are judged by, and why, in words."""
        known = f"{self.known:.0%} of the outfits of the validation split are in the training split"
        if self.are_clicks:
            return f"{known}: clicks on known outfits, judged by recall@20 of all outfits"
        return f"{known}: outfits that users made, judged by the AUC against random and hard negatives"


def _share_known(dataset: Dataset) -> float:
    """The share of the validation rows whose outfit is in the training split."""
    if "valid" not in dataset.splits or not len(dataset.split("valid").positives):
        return 0.0
    train, valid = (dataset.split(name).positives.items for name in ("train", "valid"))
    known = set(map(tuple, train.tolist()))
    return sum(tuple(row) in known for row in valid.tolist()) / len(valid)
