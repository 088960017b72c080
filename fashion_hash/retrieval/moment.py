"""What a question is answered from: the catalogue at one moment, and who asks."""

from __future__ import annotations

from dataclasses import dataclass

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.live.partners import LivePartners
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.search.live_tower import LiveTower
from fashion_hash.retrieval.users import User


@dataclass(frozen=True, eq=False)
class Moment:
    """The catalogue as it is when a question comes, who asks, and what helps to answer.

    Attributes:
        snapshot: of the catalogue; it never changes, so that an answer is of one state.
        user: who asks.
        columns: the catalogue by column, for filters and caps.
        partners: partner lists, for compositions.
        tower: the request model.
    """

    snapshot: Snapshot
    user: User
    columns: LiveColumns
    partners: LivePartners
    tower: LiveTower

    @property
    def bundle(self) -> Bundle:
        """The bundle that scores for the user."""
        return self.user.bundle_of(self.snapshot)
