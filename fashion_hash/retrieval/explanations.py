"""What may be asked about a single item, outfit or user: what resembles it, its score, and why it has that score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Unpack

import numpy as np

from fashion_hash.bundle.lookup import find_item_of_any_type, items_by_slot
from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.live.changes import picture_bytes
from fashion_hash.live.users import OutfitRef, Told, items_told, own_told
from fashion_hash.retrieval.answers import Hits, ItemHits, Score
from fashion_hash.retrieval.checks import check_options
from fashion_hash.retrieval.explanation.codes import Explanation, with_own
from fashion_hash.retrieval.explanation.requests import (
    RequestExplanation,
    RequestExplanationOptions,
    RequestExplanationQuery,
    explain_request,
)
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.methods import METHODS
from fashion_hash.retrieval.moment import Moment, OpenGeneration
from fashion_hash.retrieval.scores import scores_of
from fashion_hash.retrieval.search.ask import ask, understanding
from fashion_hash.retrieval.search.similar_items import (
    NO_PICTURES,
    PictureCode,
    PictureOptions,
    PictureQuery,
    search_by_picture,
    similar_items,
)
from fashion_hash.retrieval.users import LikesInCall, take_likes
from fashion_hash.understanding.said import Understanding


class Explanations:
    """The part of a Recommender that answers about what is named: items, outfits and users."""

    def similar_items(
        self, item_id: str, k: int = 10, *, item_type: str | None = None, where: Mapping[str, Any] | None = None
    ) -> Hits:
        """Items of the same type that resemble an item.

        Args:
            item_id: the item; it is not among the answers.
            k: at most how many.
            item_type: its type, needed if an item of another type has the same id.
            where: which items may come back: see retrieval/filters/language.py.

        Returns:
            (K',) ids and the share of bits in which the codes agree, 0 to 1, nearest first,
            ties by id.

        Raises:
            QueryError: k, the item type or the filter is not valid, or the id belongs to items of two types.
            UnknownIdError: an unknown item.
        """
        now = self._now()
        snapshot = now.live.now()
        item_type, row = find_item_of_any_type(snapshot.bundle, str(item_id), item_type)
        allowed = now.columns.filter(snapshot, where).masks.get(item_type)
        similar = similar_items(
            snapshot.bundle.item_codes[item_type], row, k, allowed, snapshot.bundle.items[item_type]
        )
        hits = Hits(np.array(snapshot.bundle.items[item_type].at(similar.rows), dtype=np.str_), similar.shares)
        hits.personal = False
        return hits

    @property
    def reads_pictures(self) -> bool:
        """Whether the bundle has an encoder of pictures, so that `search_picture` answers."""
        return self._now().reads_pictures

    def code_picture(self, picture: bytes | str | PathLike[str]) -> PictureCode:
        """What the bundle makes of a picture; `search_picture` takes it instead of the picture, more than once.

        Args:
            picture: the bytes of a JPEG, PNG, WebP or GIF file, or its path.

        Raises:
            QueryError: the bundle has no encoder of pictures.
            DataError: the file cannot be read.
            FeatureError: it is not a picture.
            MissingExtraError: a package that the encoder needs is not installed.
        """
        now, encoded = self._now(), picture_bytes(picture)
        if not now.reads_pictures:
            raise QueryError(NO_PICTURES)
        return PictureCode.of(now.live.bundle, now.item_coder, encoded)

    def search_picture(
        self,
        picture: PictureCode | bytes | str | PathLike[str],
        item_types: Sequence[str] | None = None,
        k: int = 10,
        **options: Unpack[PictureOptions],
    ) -> ItemHits:
        """The k items that look most like a picture.

        Every allowed item is compared by the bits of its picture; with an outfit encoder, by the vector before its
        signs. Items whose picture is not known are left out, except with an outfit encoder.

        Args:
            picture: the bytes of a JPEG, PNG, WebP or GIF file, its path, or its code by `code_picture`.
            item_types: only items of these types; None for all.
            k: at most how many.
            **options: keyword options, all optional:

                * text: words beside the picture. Facts that are hard decide before the picture; words and other facts
                  add to the score.
                * where: which items may come back: see retrieval/filters/language.py.
                * exclude, skip (default 0), facts: as for `search`.

        Returns:
            Ids and scores as of `search`: the share of equal bits, 0 to 1, or (1 + cosine) / 2 with an outfit encoder.

        Raises:
            QueryError: the bundle has no encoder of pictures, a type or an option is not valid, or the code is of
                another bundle.
            DataError, FeatureError, MissingExtraError: as `code_picture`.
            TypeError: an unknown option.
        """
        check_options("Recommender.search_picture", options, PictureOptions)
        now = self._now()
        if not now.reads_pictures:
            raise QueryError(NO_PICTURES)
        code = picture
        if not isinstance(code, PictureCode):
            code = PictureCode.of(now.live.bundle, now.item_coder, picture_bytes(code))
        return search_by_picture(now.moment(None), now.item_coder, code, PictureQuery(k, item_types, **options))

    def understand(self, text: str) -> Understanding:
        """What the words of a request say: facts of the catalogue; nothing for a bundle that does not read facts.

        Args:
            text: the words, as for `search`.

        Raises:
            QueryError: the text is not a string.
            BundleError: a bundle without a request model.
        """
        return understanding(self._moment(None), text)

    def explain_request(
        self, text: str | None, user: str | int | None, of: OutfitRef, **options: Unpack[RequestExplanationOptions]
    ) -> RequestExplanation:
        """Why a request finds an item or an outfit: the parts of words, taste and outfit add up exactly.

        Args:
            text: as for `search`.
            user: as for `search`.
            of: an item id, an outfit as item ids by slot name, or the id of an outfit.
            **options: keyword options, all optional:

                * item_type: the item's type, needed if an item of another type has the same id.
                * weight (default 100.0): of the request in an outfit's total.
                * anchor: the slot of an outfit whose item the request is about; by default that of the item
                  that agrees best.
                * neighbours (default 3): at most how many liked items and outfits are named.
                * facts: as for `search`.

        Raises:
            QueryError: an option is not valid; this and other errors as `search`.
            UnknownIdError: an unknown user, or `of` is neither an item nor an outfit.
            TypeError: an unknown option.
        """
        check_options("Recommender.explain_request", options, RequestExplanationOptions)
        moment = self._moment(user)
        request = ask(moment, text, options.get("facts"))
        return explain_request(moment, request, RequestExplanationQuery(of, **options))

    def explain(
        self,
        user_id: str | int | None,
        outfit: OutfitRef,
        *,
        neighbours: int = 3,
        top_bits: int = 3,
        taste: float = AS_TRAINED,
        **likes: Unpack[LikesInCall],
    ) -> Explanation:
        """Why an outfit has its score: parts that add up to it exactly, and liked outfits near it.

        Args:
            user_id: who asks; None for an anonymous user.
            outfit: its id, or any items by slot name.
            neighbours: at most how many liked outfits are named.
            top_bits: how many bits of each item are named.
            taste: the weight of taste against compatibility: as for `recommend`.
            **likes: liked, disliked: as for `recommend`.

        Raises:
            QueryError: no items, or a slot that does not exist.
            UnknownIdError: an unknown user, outfit or item.
        """
        check_options("Recommender.explain", likes, LikesInCall)
        moment = self._moment(user_id, take_likes(likes)).with_taste(taste)
        items, user = items_told(moment.snapshot, outfit), moment.user
        explain = METHODS[moment.bundle.scoring].explain
        found = explain(moment.bundle, user.user_key, items, user.liked, neighbours=neighbours, top_bits=top_bits)
        own = own_told(moment.snapshot, outfit)
        return found if own == EMPTY else with_own(found, moment.bundle, user.user_key, own)

    def outfit(self, outfit_id: str) -> dict[str, str]:
        """The item ids of an outfit of the pool by slot name ("top", "top_2", ...), filled slots only.

        Raises:
            UnknownIdError: an unknown outfit; the nearest known ids are named.
        """
        snapshot = self._now().live.now()
        return items_by_slot(snapshot.bundle, items_told(snapshot, str(outfit_id)))

    def score(self, user_id: str | int | None, outfit: OutfitRef) -> Score:
        """The score of any items as an outfit, in the pool or not.

        What an outfit of the pool adds by a code of its own (section `outfit` of a configuration) belongs to its id:
        its items alone have the score that `compose` would give them.

        Args:
            user_id: who asks; None for an anonymous user, whose preference is 0.
            outfit: item ids by slot name, where a missing slot is empty; or the id of an outfit.

        Raises:
            QueryError: no items, or a slot that does not exist.
            UnknownIdError: an unknown user, outfit or item.
        """
        moment = self._moment(user_id)
        items, own = items_told(moment.snapshot, outfit), own_told(moment.snapshot, outfit)
        [score] = scores_of(moment.bundle, moment.user.user_key, items[None], np.array([own]))
        return score

    def liked(self, user_id: str | int) -> list[dict[str, str]]:
        """The outfits that a user is known to like, as item ids by slot name, in order of the history.

        Raises:
            UnknownIdError: an unknown user.
        """
        moment = self._moment(user_id)
        return [items_by_slot(moment.bundle, items) for items in moment.user.liked]

    def columns(self) -> Mapping[str, ItemColumns]:
        """The catalogue by column, for each item type: what filters may name."""
        now = self._now()
        return now.columns.of(now.live.now())

    def allowed_items(self, where: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """By item type, which items are offered and pass a filter: (N,) bool; a type is missing where all do.

        Args:
            where: see retrieval/filters/language.py; None for no filter.

        Raises:
            QueryError: the filter is not valid.
        """
        now = self._now()
        return dict(now.columns.filter(now.live.now(), where).masks)

    def knows_user(self, user_id: str) -> bool:
        """Whether a user is in the bundle, or was added and not removed."""
        snapshot, [state] = self._now().live.now_with([user_id])
        return state is not None or user_id in snapshot.bundle.users

    def _moment(self, user_id: str | int | None, told: Told | None = None) -> Moment:
        return self._now().moment(user_id, told)

    def _now(self) -> OpenGeneration:
        raise NotImplementedError  # abstract: CatalogueUpdates implements it
