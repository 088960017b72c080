"""Makes a change by its name, once for each idempotency key."""

from __future__ import annotations

import json
from collections.abc import Callable

from fashion_hash.serving.changes import catalogue, feedback, users
from fashion_hash.serving.changes.call import Call, Made
from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.idempotency import Kept
from fashion_hash.serving.service import Service

CHANGES: dict[str, Callable[..., Made]] = {
    change.__name__: change
    for change in (
        *(users.put_user, users.patch_user, users.delete_user),
        *(catalogue.upsert_items, catalogue.update_items, catalogue.remove_items),
        *(catalogue.hide_items, catalogue.show_items),
        *(catalogue.upsert_outfits, catalogue.update_outfits, catalogue.remove_outfits),
        *(feedback.keep_events, feedback.keep_likes),
    )
}


def make_change(service: Service, call: Call) -> Kept:
    """Makes a change in this process.

    Args:
        service: whose bundles and files are changed.
        call: the change.

    Returns:
        The reply; of an earlier call with the same key and content the one that it got.

    Raises:
        Problem: the key was used for another change. Otherwise as the change itself.
    """

    def run() -> Kept:
        made = CHANGES[call.change](service, **call.arguments)
        content = json.dumps(made.facts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        return Kept(made.status, content)

    kept = run() if call.key is None else service.replies.once(*call.key, run)
    if kept is None:
        detail = "this Idempotency-Key was used for another change: make a new one"
        raise Problem(422, detail, "header:Idempotency-Key")
    return kept


async def make(service: Service, call: Call) -> Kept:
    """Makes a change, here or in the process that makes the changes of all; see `make_change`."""
    if service.writer is not None:
        async with service.writes.turn():
            return await service.writer.send(call)
    return await service.writes.run(lambda: make_change(service, call))
