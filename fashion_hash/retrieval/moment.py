"""What a question is answered from: an open generation of a bundle, its catalogue at one moment, and who asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.errors import BundleError
from fashion_hash.foldin.fold_in import Fold, open_fold
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.partners import LivePartners
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.live.users import Told
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.search.live_tower import LiveTower
from fashion_hash.retrieval.users import User, user_now, users_now, with_taste


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

    def with_taste(self, taste: float) -> Moment:
        """The moment with another weight of taste against compatibility. Raises QueryError as users.with_taste."""
        return replace(self, snapshot=with_taste(self.snapshot, taste))


class OpenGeneration:
    """One generation of a bundle with all that is opened to answer from it and to change it.

    Args:
        live: its catalogue.
        tower: its request model; by default that of the bundle, with the encoder that the bundle names.
    """

    def __init__(self, live: LiveCatalogue, tower: LiveTower | None = None) -> None:
        """Opens nothing more yet."""
        self.live = live
        self.tower = tower or LiveTower(live.bundle)
        self.columns = LiveColumns(live)
        self.partners = LivePartners(live.bundle)

    def moment(self, user_id: str | int | None, told: Told | None = None) -> Moment:
        """The catalogue as it is now, for a user and what they tell for this answer alone."""
        snapshot, user = user_now(self.live, user_id, told, lambda: self.fold)
        return Moment(snapshot, user, self.columns, self.partners, self.tower)

    def moments(self, user_ids: Iterable[str | int | None], taste: float = AS_TRAINED) -> list[Moment]:
        """The catalogue as it is now, for each of many users, with another weight of taste on request."""
        snapshot, users = users_now(self.live, user_ids)
        snapshot = with_taste(snapshot, taste)
        return [Moment(snapshot, user, self.columns, self.partners, self.tower) for user in users]

    @cached_property
    def item_coder(self) -> ItemCoder:
        """Makes codes of new items."""
        self.live.bundle.check_there()
        return ItemCoder.open(self.live.bundle.path)

    @cached_property
    def reads_pictures(self) -> bool:
        """Whether items can be searched by a picture."""
        try:
            return self.item_coder.reads_pictures
        except BundleError:  # a bundle without hash heads
            return False

    @cached_property
    def fold(self) -> Fold:
        """Makes codes of users from what they like."""
        return open_fold(self.live.bundle)
