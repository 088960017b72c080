"""What may be changed of a live catalogue: items, outfits and users; see fashion_hash.live."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from fashion_hash.bundle.generations import Stamp, remove_unused, stamp
from fashion_hash.errors import BundleError, FashionHashError
from fashion_hash.live import changes, compaction
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.forgetting.remove import remove_users
from fashion_hash.live.updates.batches import replayable
from fashion_hash.live.updates.hidden import set_hidden
from fashion_hash.live.updates.items import Coding, write_items
from fashion_hash.live.updates.outfits import NamedOutfit, upsert_outfits
from fashion_hash.live.users import OutfitRef, Told, add_user, put_user, tell_users, update_user
from fashion_hash.retrieval.moment import OpenGeneration
from fashion_hash.retrieval.search.live_tower import LiveTower

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class CatalogueUpdates:
    """The part of a Recommender that writes. Each call happens as a whole or not at all.

    It keeps the generation of the bundle that it answers from and writes to, and moves over when another one has
    become current.
    """

    def __init__(self, live: LiveCatalogue, tower: LiveTower | None = None) -> None:
        """Changes a catalogue that is open."""
        self._root = live.bundle.root.absolute()
        self._options: dict[str, Any] = {}
        self._moving = threading.Lock()
        self._refused: Stamp = None  # of a generation that could not be opened
        # replaced as a whole, so that threads see a stamp and the generation that belongs to it
        self._open: tuple[Stamp, OpenGeneration] = self._stamp_of(live), OpenGeneration(live, tower)

    @property
    def live(self) -> LiveCatalogue:
        """The live catalogue of the generation that is current now."""
        return self._now().live

    def add_items(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Adds items in one step; every later answer takes them into account.

        Args:
            items: each a mapping of "item_id", "type", and where known "title", "picture" (the bytes of a
                file, or its path: it is shown, and the encoder that the bundle carries makes its feature
                unless "features" has "image"), "features" (by modality the raw feature, as the source of the bundle's
                features makes it: the hash heads of the bundle turn it into codes), or instead of
                features "code", (M, D) of -1 / +1, and "bias"; anything else is a column of the
                catalogue ("price", "brand", ...), read as the type of its column: "59.90" is a number where
                the column holds numbers. A new column gets the type of its first value. Where the data
                is a shop's own tables, their names of columns are taken as well ("Preis" for "price"). A bundle of
                requests alone, without outfits, makes codes of an item's words.

        Raises:
            DataError: an id that already exists, also under another item type, or occurs twice in the list, or no id;
                a value of another type than its column.
            QueryError: an unknown type or modality.
            FeatureError: features or codes that do not fit, or a bundle without hash heads.
            BundleError: the file of changes cannot be written.
        """
        read = changes.read_pictures(items)

        def add(now: OpenGeneration) -> None:
            items = now.tower.with_codes(changes.named_items(now.live, read))
            changes.add_items(now.live, items, lambda: now.item_coder)

        self._write(add)

    def update_items(self, items: Iterable[Mapping[str, Any]]) -> int:
        """Changes items in place, in one step; every later answer, filter and page has the new values.

        Args:
            items: each with "item_id" and "type", and of the keys of `add_items` those that change; None empties a
                column, the title or the picture. New "features", a new title or picture where these are a modality,
                and in a bundle of requests alone new words, give the item a new code; what was not given keeps its
                code. An item keeps its outfits, and users keep their likes of it. May be an iterator over more than
                fits into memory.

        Returns:
            How many items differ from before.

        Raises:
            UnknownIdError: an unknown item.
            FeatureError: as `add_items`; and where an outfit encoder codes all content of an item at once, features
                of only a part of it.
            DataError, QueryError, BundleError: as `add_items`.
        """
        batch = replayable(items)
        return self._write(lambda now: write_items(now.live, batch, _coding(now), add=False))

    def upsert_items(self, items: Iterable[Mapping[str, Any]]) -> int:
        """Adds the items that are unknown and updates the others, in one step; the same items again change nothing.

        Arguments, results and errors are those of `add_items` and `update_items`.
        """
        batch = replayable(items)
        count = self._write(lambda now: write_items(now.live, batch, _coding(now), add=True))
        self._compact_if_due()
        return count

    def hide_items(self, item_ids: Mapping[str, Sequence[str]]) -> int:
        """Takes items out of all answers, by type and in one step, until `show_items`: they are out of stock, say.

        Outfits that hold a hidden item stay in the pool and are not answered meanwhile. A hidden item may still be
        named in a question: as an item to complete, to explain or to find similar ones for.

        Returns:
            How many of them were not hidden before.

        Raises:
            UnknownIdError: an unknown item.
            QueryError: an unknown item type.
        """
        return self._write(lambda now: set_hidden(now.live, item_ids, True))

    def show_items(self, item_ids: Mapping[str, Sequence[str]]) -> int:
        """Brings hidden items back, and the outfits that hold them. Arguments and errors as `hide_items`.

        Returns:
            How many of them were hidden before.
        """
        return self._write(lambda now: set_hidden(now.live, item_ids, False))

    def remove_items(self, item_ids: Mapping[str, Sequence[str]]) -> list[str]:
        """Removes items by type, in one step, and every outfit of the pool that holds one of them.

        Returns:
            The ids of those outfits.

        Raises:
            UnknownIdError: an unknown item.
            QueryError: an unknown item type.
        """
        return self._write(lambda now: changes.remove_items(now.live, item_ids))

    def add_outfits(self, outfits: Mapping[str, Mapping[str, str]]) -> None:
        """Adds outfits to the pool, in one step: by id, item ids by slot name.

        Raises:
            DataError: an id that already exists, or an outfit that holds an item twice.
            QueryError: an outfit without items, or of a single item where no outfit of the pool is one; or a slot that
                does not exist.
            UnknownIdError: an unknown item; the message says when it is of another type.
        """
        self._write(lambda now: changes.add_outfits(now.live, outfits))
        self._compact_if_due()

    def upsert_outfits(self, outfits: Mapping[str, Mapping[str, str]] | Iterable[NamedOutfit]) -> int:
        """Adds the outfits that are unknown and changes the others, in one step; the same again change nothing.

        Args:
            outfits: by id, item ids by slot name; or pairs of these, from an iterator over more than fits into memory.

        Returns:
            How many outfits were added or changed.

        Raises:
            DataError: an outfit that is given twice, or holds an item twice.
            QueryError: as `add_outfits`.
            UnknownIdError: an unknown item; the message says when it is of another type.
        """
        batch = outfits if isinstance(outfits, Mapping) else replayable(outfits)
        count = self._write(lambda now: upsert_outfits(now.live, batch))
        self._compact_if_due()
        return count

    def remove_outfits(self, outfit_ids: Sequence[str]) -> None:
        """Removes outfits from the pool in one step.

        Raises:
            UnknownIdError: an unknown outfit.
        """
        self._write(lambda now: changes.remove_outfits(now.live, outfit_ids))
        self._compact_if_due()

    def add_user(
        self,
        user_id: str,
        liked: Sequence[OutfitRef] = (),
        disliked: Sequence[OutfitRef] = (),
        *,
        again: bool = False,
    ) -> None:
        """Adds a user, with a code fitted to what they like (fold-in; nothing is trained).

        Args:
            user_id: a new id.
            liked: outfits, by id or as item ids by slot name. Without any, answers are those for an
                anonymous user, and say so.
            disliked: outfits, by id or as item ids by slot name.
            again: also a user who was removed (`remove_user`); they start anew.

        Raises:
            DataError: the id already exists, or is that of a user who was removed.
            QueryError: an outfit both liked and disliked, without items, or a slot that does not exist.
            UnknownIdError: an unknown outfit or item.
        """
        self._write(lambda now: add_user(now.live, now.fold, user_id, Told(liked, disliked), again))

    def update_user(
        self,
        user_id: str,
        liked: Sequence[OutfitRef] = (),
        disliked: Sequence[OutfitRef] = (),
        *,
        neutral: Sequence[OutfitRef] = (),
    ) -> None:
        """Adds to what a user likes and dislikes, and fits their code to all of it.

        Later likes and dislikes override earlier ones; `neutral` are outfits of which what the user told no longer
        counts. Likes that the model was trained on stay. Arguments and errors as `add_user`, and UnknownIdError for an
        unknown user.
        """
        self._write(lambda now: update_user(now.live, now.fold, user_id, Told(liked, disliked, neutral)))

    def put_user(
        self,
        user_id: str,
        liked: Sequence[OutfitRef] = (),
        disliked: Sequence[OutfitRef] = (),
        *,
        again: bool = False,
    ) -> bool:
        """Replaces all that a user told by these likes and dislikes, or adds the user; the same again changes nothing.

        Likes that the model was trained on stay. Arguments and errors as `add_user`, but for an id that exists.

        Returns:
            Whether the user is new.
        """
        return self._write(lambda now: put_user(now.live, now.fold, user_id, Told(liked, disliked), again))

    def tell_users(self, told: Mapping[str, Told]) -> None:
        """Adds to what users told, as `update_user` does, and adds those who are unknown; all of them, or none.

        Args:
            told: by user id what they tell.

        Raises:
            DataError: an id is not valid, or is that of a user who was removed.
            QueryError: an outfit both liked and disliked, without items, or a slot that does not exist.
            UnknownIdError: an unknown outfit or item.
        """
        if told:
            self._write(lambda now: tell_users(now.live, now.fold, told))

    def remove_user(self, user_id: str | Sequence[str]) -> None:
        """Removes a user, or a list of users in one step: they are unknown at once.

        At the next compaction their ids, codes, likes and dislikes are erased from the files. A salted digest of each
        id stays, so that nobody adds the user again by mistake (`add_user(..., again=True)`). Removing a removed user
        again changes nothing.

        Raises:
            UnknownIdError: an unknown user.
            DataError: not a text.
        """
        user_ids = [user_id] if isinstance(user_id, str) else user_id
        self._write(lambda now: remove_users(now.live, user_ids))

    def compact(self) -> bool:
        """Folds all changes into index files now; with many changes it happens by itself, in a thread.

        Returns:
            False when there is nothing to do, or another process is doing it.

        Raises:
            BundleError: the files cannot be written; the changes stay as they are.
        """
        return self._write(lambda now: compaction.compact(now.live))

    def close(self) -> None:
        """Closes the files of changes."""
        self._open[1].live.close()

    def _now(self) -> OpenGeneration:
        """The current generation of the bundle, opened first if it has become another one.

        A generation that cannot be opened is reported in the log, and the one before goes on answering.
        """
        newest, (known, generation) = stamp(self._root), self._open
        if newest in (known, self._refused, None):  # None: the folder is away, and what is open goes on answering
            return generation
        with self._moving:
            newest, (known, generation) = stamp(self._root), self._open
            if newest in (known, self._refused, None):
                return generation
            try:
                opened = self._opened()
            except BundleError as error:
                self._refused = newest
                log.error("%s; the generation before goes on answering", error)
                return generation
            self._open = self._stamp_of(opened.live), opened
        generation.live.close()
        del generation
        remove_unused(self._root)
        return opened

    def _opened(self) -> OpenGeneration:
        """Opens the generation that is current."""
        verify, engine = self._options.get("verify", True), self._options.get("engine", "auto")
        live = LiveCatalogue(self._root, verify=verify, engine=engine)
        tower = LiveTower(live.bundle, self._options.get("encoder"), self._options.get("encoder_weights"))
        return OpenGeneration(live, tower)

    def _stamp_of(self, live: LiveCatalogue) -> Stamp:
        """The stamp that says that a generation is current; one that never comes where it no longer is."""
        newest = stamp(self._root)
        return (0, 0, 0) if live.has_moved() else newest

    def _write(self, change: Callable[[OpenGeneration], Result]) -> Result:
        """Makes a change to the current generation, also when another one becomes current meanwhile."""
        while True:
            generation = self._now()
            try:
                return change(generation)
            except FashionHashError:  # an id may be unknown only to a generation that is no longer current
                if not generation.live.has_moved():
                    raise
                with self._moving:
                    if self._open[1] is generation:
                        self._open = (0, 0, 0), generation
                if self._now() is generation:  # the one that is current cannot be opened
                    raise

    def _compact_if_due(self) -> None:
        compaction.compact_in_background(self.live)


def _coding(now: OpenGeneration) -> Coding:
    return Coding(lambda: now.item_coder, now.tower.with_codes)
