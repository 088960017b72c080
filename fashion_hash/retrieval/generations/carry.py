"""From one generation of a bundle to the next: what was told to the old one is told to the new one, then they switch.

Everything is carried over by ids. Items are coded again from their raw features by the heads of the new model, users
are folded in again. Most of it happens while writers go on; what was written meanwhile is carried over under the lock
that writers take, within which the new generation becomes current.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle
from fashion_hash.bundle.generations import make_current
from fashion_hash.bundle.lookup import outfit_rows
from fashion_hash.core.codes import unpack
from fashion_hash.core.manifest import current_folder
from fashion_hash.data.splits.removed_list import digest_of
from fashion_hash.data.told.tables import write_told
from fashion_hash.data.told.told import ItemKey, ItemsBySlot, Told, ToldItem, ToldUser, outfit_key
from fashion_hash.errors import BundleError, FashionHashError, counted
from fashion_hash.inference.content_heads import FEATURES, ContentHeads
from fashion_hash.live import changes
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.compaction import compact
from fashion_hash.live.forgetting.remove import ERASE, SALT, remove_users
from fashion_hash.live.records.tables import Records
from fashion_hash.live.snapshot import outfit_keys
from fashion_hash.live.updates.hidden import set_hidden
from fashion_hash.live.updates.items import Coding, write_items
from fashion_hash.live.users import Told as Opinions
from fashion_hash.live.users import add_user, update_user
from fashion_hash.retrieval.generations.outfits import OutfitCarrier
from fashion_hash.retrieval.generations.told import told_folder, told_now, told_of
from fashion_hash.retrieval.moment import OpenGeneration

ONLY_CODE = "it was given as a code, which means nothing to another model: add it again with features"
NO_FEATURES = "its features were not kept by the version that added it: add it again with features"


@dataclass
class Carried:
    """What was done to the new generation, and what could not be.

    Attributes:
        items, removed_items, updated, outfits, removed_outfits, users: how many were carried over.
        forgotten: how many users of the new generation had been removed from the old one.
        known: how many items, outfits and users the new generation has already.
        left_behind: what could not be carried over, and why.
        opinions_left: how many likes and dislikes hold an item that the new generation does not have.
    """

    items: int = 0
    removed_items: int = 0
    updated: int = 0
    forgotten: int = 0
    outfits: int = 0
    removed_outfits: int = 0
    users: int = 0
    known: int = 0
    opinions_left: int = 0
    left_behind: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """A report in words; nothing where there was nothing to do."""
        if self == Carried():
            return
        done = (
            f"{counted(self.items, 'item')} added, {self.removed_items:,} removed, {self.updated:,} updated, "
            f"{counted(self.outfits, 'outfit')} added, {self.removed_outfits:,} removed, {counted(self.users, 'user')}"
        )
        known = counted(self.known, "was", "were")
        yield f"carried over from the live catalogue: {done}; {known} known to the new model already"
        if self.forgotten:
            users = counted(self.forgotten, "user who was", "users who were")
            yield f"removed {users} removed from the old bundle"
        if self.opinions_left:
            opinions = counted(self.opinions_left, "like or dislike holds", "likes and dislikes hold")
            yield f"{opinions} an item that the new bundle does not have"
        if self.left_behind:
            yield f"could not be carried over ({len(self.left_behind):,}):"
        for (kind, item_type, name), reason in self.left_behind.items():
            yield f"  {item_type or kind} {name!r}: {reason}"


def switch(path: Path, folder: Path, trained: Told | None = None) -> Carried:
    """Tells a new generation what was told to the current one, and makes it current.

    Args:
        path: the bundle folder, held by the caller (core.locks.hold).
        folder: the new generation, complete and not yet current.
        trained: what was told when the new model was trained, if the training took it in.

    Raises:
        BundleError: one of the two cannot be opened, or writers left no time for the switch.
    """
    target = OpenGeneration(LiveCatalogue(folder))
    try:
        old = LiveCatalogue(path, verify=False)
    except BundleError:
        if (current_folder(path) / LIVE_FOLDER).exists():
            raise
        make_current(folder)  # nobody answers from it, and nothing was told to it
        return Carried()
    same_model = old.bundle.fingerprint == target.live.bundle.fingerprint
    carrier = Carrier(target, trained or Told(), same_model)
    carrier.carry(told_of(old))
    # before the lock, too: rewriting the files of a large bundle takes seconds
    carrier.carried.forgotten = old.ask(lambda store: _keep_out(target.live, store)) or 0
    with old.writing() as writing:
        told = told_now(old, writing)
        carrier.carry(told)
        if told:
            told.left_behind.clear()
            told.left_behind.update(carrier.carried.left_behind)
            write_told(told_folder(folder), told, {"bundle": target.live.bundle.fingerprint})
        carrier.carried.forgotten += _keep_out(target.live, writing.store)
        target.live.close()
        make_current(folder)
    old.close()
    return carrier.carried


def _keep_out(live: LiveCatalogue, old: Records) -> int:
    """Removes the users who were removed from the old generation, erases them, and keeps the list of them."""
    salt, digests = old.meta(SALT), old.suppressed()
    gone: list[str] = []
    if salt is not None and digests:
        with live.writing() as (snapshot, store):
            store.put_meta(SALT, salt)
            for digest in digests:
                store.suppress(digest)
            # also who was carried over before they were removed
            users = {*snapshot.bundle.users.all(), *store.users()}
        removed = set(digests)
        gone = [user_id for user_id in sorted(users) if digest_of(salt, user_id) in removed]
    if gone:
        remove_users(live, gone)
    if live.ask(lambda store: store.meta(ERASE)) is not None:
        compact(live)
    return len(gone)


def _took_back(before: ToldUser, now: ToldUser) -> bool:
    """Whether a user no longer has an opinion of an outfit: they were removed and came back."""
    still = {outfit_key(outfit) for outfit in (*now.liked, *now.disliked)}
    return any(outfit_key(outfit) not in still for outfit in (*before.liked, *before.disliked))


class Carrier:
    """Brings a generation to the state of another; a second call does only what is new since the first.

    Args:
        target: the generation that is changed.
        trained: what its training took in.
        same_model: whether both have the same model, so that codes can be taken as they are.
    """

    def __init__(self, target: OpenGeneration, trained: Told, same_model: bool) -> None:
        self.carried = Carried()
        self._target = target
        self._live = target.live
        self._trained = trained
        self._trained_anew = {user_id for user_id, user in trained.users.items() if user.anew}
        self._same_model = same_model
        self._done = Told()
        self._outfits = OutfitCarrier(target.live, self.carried.left_behind)

    def carry(self, told: Told) -> None:
        """Makes the changes that are needed."""
        items = {
            key: item
            for key, item in told.items.items()
            if key not in self._done.items or not item.same(self._done.items[key])
        }
        changed = {key: item for key, item in items.items() if self._exists(key) and self._is_newer(key, item, told)}
        self.carried.known += sum(self._exists(key) and key not in changed for key in items)
        self._add_items({key: item for key, item in items.items() if not self._exists(key)})
        self._carry_users(told)
        before = {*self._trained.items, *self._done.items}  # added, and removed again while this was under way
        gone = told.removed_items | {key for key in before if key not in told.items}
        self.carried.removed_items += self._remove_items(gone)
        self._remove_items(changed)
        self._add_items(changed)
        self._update_items(told.updates)
        self.carried.known += self._outfits.carry(told, self._done)
        self.carried.outfits, self.carried.removed_outfits = self._outfits.added, self._outfits.removed
        for hidden, keys in ((True, told.hidden - self._done.hidden), (False, self._done.hidden - told.hidden)):
            if by_type := self._by_type(keys):
                set_hidden(self._live, by_type, hidden)
        self._done = told

    @property
    def _bundle(self) -> Bundle:
        return self._live.now().bundle

    def _exists(self, key: ItemKey) -> bool:
        item_type, item_id = key
        return item_type in self._live.bundle.types and item_id in self._bundle.items[item_type]

    def _is_newer(self, key: ItemKey, item: ToldItem, told: Told) -> bool:
        """Whether an item that the new generation has was told again, as another one, after the training."""
        before = self._done.items.get(key) or self._trained.items.get(key)
        return key in told.replaced if before is None else not item.same(before)

    def _add_items(self, items: Mapping[ItemKey, ToldItem]) -> None:
        lines, left = {}, self.carried.left_behind
        for key, item in items.items():
            reason = self._reason(key, item)
            if reason:
                left["item", *key] = reason
            else:
                lines[key] = self._line(key, item)
        try:
            self._add(list(lines.values()))
            self.carried.items += len(lines)
            added = set(lines)
        except FashionHashError:  # again one by one, to leave only the bad ones behind
            added = set()
            for key, line in lines.items():
                try:
                    self._add([line])
                    added.add(key)
                except FashionHashError as error:
                    left["item", *key] = str(error)
            self.carried.items += len(added)
        for key in added:
            left.pop(("item", *key), None)

    def _add(self, lines: list[Mapping[str, Any]]) -> None:
        if lines:
            changes.add_items(self._live, self._target.tower.with_codes(lines), lambda: self._target.item_coder)

    def _reason(self, key: ItemKey, item: ToldItem) -> str | None:
        """Why an item cannot be coded; None if it can."""
        if key[0] not in self._live.bundle.types:
            return f"the new bundle has no item type {key[0]!r}"
        if self._same_model and item.code is not None and self._live.bundle.scoring == "codes":
            return None
        if item.coded:
            return ONLY_CODE
        if not item.features and self._live.bundle.modalities != ("request",):
            heads = self._target.item_coder.heads.values()
            if any(isinstance(head, ContentHeads) and head.takes == FEATURES for head in heads) and not item.title:
                return NO_FEATURES
        return None

    def _line(self, key: ItemKey, item: ToldItem) -> Mapping[str, Any]:
        line: dict[str, Any] = {**item.details, "type": key[0], "item_id": key[1], "bias": item.bias}
        if item.title is not None:
            line["title"] = item.title
        if item.picture is not None:
            line["picture"] = item.picture
        if item.features:
            line["features"] = dict(item.features)
        if self._same_model and item.code is not None and self._live.bundle.scoring == "codes":
            line["code"] = unpack(item.code)
        return line

    def _remove_items(self, keys: Iterable[ItemKey]) -> int:
        by_type = self._by_type(keys)
        if by_type:
            changes.remove_items(self._live, by_type)
        return sum(map(len, by_type.values()))

    def _by_type(self, keys: Iterable[ItemKey]) -> dict[str, list[str]]:
        """Those of the items that exist, by type."""
        by_type: dict[str, list[str]] = {}
        for key in sorted(keys):
            if self._exists(key):
                by_type.setdefault(key[0], []).append(key[1])
        return by_type

    def _update_items(self, updates: Mapping[ItemKey, ToldItem]) -> None:
        """Items of the old export whose entry changed get the entry of now; the new model codes their features."""
        coding = Coding(lambda: self._target.item_coder, self._target.tower.with_codes)
        for key, item in updates.items():
            before = self._done.updates.get(key) or self._trained.updates.get(key)
            if not self._exists(key) or (before is not None and item.same(before)):
                continue
            line = {**item.details, "type": key[0], "item_id": key[1], "title": item.title}
            line |= {"picture": item.picture} if item.picture is not None else {}
            try:
                write_items(self._live, [{**line, "features": dict(item.features)}], coding, add=False)
                self.carried.updated += key not in self._done.updates
                self.carried.left_behind.pop(("update", *key), None)
            except FashionHashError as error:
                self.carried.left_behind["update", *key] = str(error)

    def _carry_users(self, told: Told) -> None:
        for user_id, user in told.users.items():
            before = self._done.users.get(user_id, ToldUser())
            if user_id in self._done.users and before == user:
                continue
            if self._starts_anew(user_id, before, user):
                remove_users(self._live, [user_id])
            if self._carry_user(user_id, user):
                self.carried.users += user_id not in self._done.users
            else:
                self.carried.known += user_id not in self._done.users

    def _starts_anew(self, user_id: str, before: ToldUser, user: ToldUser) -> bool:
        """Whether the new generation knows what a user who was removed and came back liked before that."""
        exported = user_id in self._live.bundle.users
        if exported and user.anew and not before.anew and user_id not in self._trained_anew:
            return user_id in self._bundle.users
        return (user.anew or not exported) and _took_back(before, user)

    def _carry_user(self, user_id: str, user: ToldUser) -> bool:
        """Tells what the new generation does not know of a user; returns whether there was anything."""
        snapshot, [state] = self._live.now_with([user_id])
        is_new = state is None and user_id not in snapshot.bundle.users
        slots, none = snapshot.bundle.slots, np.zeros((0, len(snapshot.bundle.slots)), dtype=np.int32)
        present = None if is_new else self._target.moment(user_id).user
        likes = self._unknown(user.liked, outfit_keys(slots, none if present is None else present.liked))
        dislikes = self._unknown(user.disliked, outfit_keys(slots, none if present is None else present.disliked))
        if is_new:
            add_user(self._live, self._target.fold, user_id, Opinions(likes, dislikes), again=True)
        elif likes or dislikes:
            update_user(self._live, self._target.fold, user_id, Opinions(likes, dislikes))
        return is_new or bool(likes or dislikes)

    def _unknown(self, outfits: Iterable[ItemsBySlot], known: list[bytes]) -> list[dict[str, str]]:
        """The outfits that are not among those known, without those that hold an unknown item."""
        bundle, unknown = self._bundle, []
        for outfit in outfits:
            try:
                [key] = outfit_keys(bundle.slots, outfit_rows(bundle, outfit)[None])
            except FashionHashError:
                self.carried.opinions_left += 1
                continue
            if key not in known:
                unknown.append(dict(outfit))
        return unknown
