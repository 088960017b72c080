"""What may be changed of a live catalogue: items, outfits and users; see fashion_hash.live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from fashion_hash.foldin.fold_in import Fold, open_fold
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.live import changes, compaction
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.users import OutfitRef, add_user, update_user
from fashion_hash.retrieval.search.live_tower import LiveTower


class CatalogueUpdates:
    """The part of a Recommender that writes. Each call happens as a whole or not at all."""

    def __init__(self, live: LiveCatalogue, tower: LiveTower | None = None) -> None:
        """Changes a catalogue that is open."""
        self.live = live
        self._tower = tower or LiveTower(live.bundle)

    def add_items(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Adds items in one step; every later answer takes them into account.

        Args:
            items: each a mapping of "item_id", "type", and where known "title", "picture" (bytes of a
                JPEG or PNG), "features" (by modality the raw feature, as the source of the bundle's
                features makes it: the hash heads of the bundle turn it into codes), or instead of
                features "code", (M, D) of -1 / +1, and "bias"; anything else is a column of the
                catalogue ("price", "brand", ...), read as the type of its column: "59.90" is a number where
                the column holds numbers. A new column gets the type of its first value. A bundle of
                requests alone, without outfits, makes codes of an item's words.

        Raises:
            DataError: an id that already exists or occurs twice in the list, or no id; a value of another
                type than its column.
            QueryError: an unknown type or modality.
            FeatureError: features or codes that do not fit, or a bundle without hash heads.
            BundleError: the file of changes cannot be written.
        """
        changes.add_items(self.live, self._tower.with_codes(items), lambda: self._item_coder)

    def remove_items(self, item_ids: Mapping[str, Sequence[str]]) -> list[str]:
        """Removes items by type, in one step, and every outfit of the pool that holds one of them.

        Returns:
            The ids of those outfits.

        Raises:
            UnknownIdError: an unknown item.
            QueryError: an unknown item type.
        """
        return changes.remove_items(self.live, item_ids)

    def add_outfits(self, outfits: Mapping[str, Mapping[str, str]]) -> None:
        """Adds outfits to the pool, in one step: by id, item ids by slot name.

        Raises:
            DataError: an id that already exists, or an outfit that holds an item twice.
            QueryError: an outfit without items, or a slot that does not exist.
            UnknownIdError: an unknown item; the message says when it is of another type.
        """
        changes.add_outfits(self.live, outfits)
        self._compact_if_due()

    def remove_outfits(self, outfit_ids: Sequence[str]) -> None:
        """Removes outfits from the pool in one step.

        Raises:
            UnknownIdError: an unknown outfit.
        """
        changes.remove_outfits(self.live, outfit_ids)
        self._compact_if_due()

    def add_user(self, user_id: str, liked: Sequence[OutfitRef] = (), disliked: Sequence[OutfitRef] = ()) -> None:
        """Adds a user, with a code fitted to what they like (fold-in; nothing is trained).

        Args:
            user_id: a new id.
            liked: outfits, by id or as item ids by slot name. Without any, answers are those for an
                anonymous user, and say so.
            disliked: outfits, by id or as item ids by slot name.

        Raises:
            DataError: the id already exists.
            QueryError: an outfit both liked and disliked, without items, or a slot that does not exist.
            UnknownIdError: an unknown outfit or item.
        """
        add_user(self.live, self._fold, user_id, liked, disliked)

    def update_user(self, user_id: str, liked: Sequence[OutfitRef] = (), disliked: Sequence[OutfitRef] = ()) -> None:
        """Adds to what a user likes and dislikes, and fits their code to all of it.

        Later likes and dislikes override earlier ones. Arguments and errors as `add_user`, and UnknownIdError
        for an unknown user.
        """
        update_user(self.live, self._fold, user_id, liked, disliked)

    def compact(self) -> bool:
        """Folds all changes into index files now; with many changes it happens by itself, in a thread.

        Returns:
            False when there is nothing to do, or another process is doing it.
        """
        return compaction.compact(self.live)

    def close(self) -> None:
        """Closes the files of changes."""
        self.live.close()

    @cached_property
    def _item_coder(self) -> ItemCoder:
        return ItemCoder.open(self.live.bundle.path)

    @cached_property
    def _fold(self) -> Fold:
        return open_fold(self.live.bundle)

    def _compact_if_due(self) -> None:
        compaction.compact_in_background(self.live)
