"""Users come, tell more, and leave."""

from __future__ import annotations

from collections.abc import Sequence

from fashion_hash.errors import UnknownIdError
from fashion_hash.live.forgetting.remove import ERASE
from fashion_hash.live.users import OutfitRef
from fashion_hash.serving.changes.call import Made
from fashion_hash.serving.service import Service


def put_user(
    service: Service,
    user_id: str,
    liked: Sequence[OutfitRef],
    disliked: Sequence[OutfitRef],
    again: bool,
    model: str | None,
) -> Made:
    """Adds a user, or replaces what they told; see Recommender.put_user."""
    chosen = service.models.of(user_id, model)
    new = chosen.recommender.put_user(user_id, liked, disliked, again=again)
    return Made({"model": chosen.name, "new": new}, 201 if new else 200)


def patch_user(
    service: Service,
    user_id: str,
    liked: Sequence[OutfitRef],
    disliked: Sequence[OutfitRef],
    neutral: Sequence[OutfitRef],
    model: str | None,
) -> Made:
    """Adds to what a user told; see Recommender.update_user."""
    chosen = service.models.of(user_id, model)
    chosen.recommender.update_user(user_id, liked, disliked, neutral=neutral)
    return Made({"model": chosen.name, "new": False})


def delete_user(service: Service, user_id: str) -> Made:
    """Removes a user from all models: code, likes, dislikes and feedback, and their traces in the files."""
    removed, unknown = [], None
    for model in service.models:
        try:
            model.recommender.remove_user(user_id)
            removed.append(model)
        except UnknownIdError as error:
            unknown = error
    events = service.feedback.forget([user_id])
    if not removed and not events and unknown is not None:
        raise unknown
    erased = True
    for model in removed:
        model.recommender.compact()
        erased &= model.recommender.live.ask(lambda store: store.meta(ERASE)) is None
    return Made({"models": [model.name for model in removed], "events": events, "erased": erased})
