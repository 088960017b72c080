"""An answer and what is shown of it come from one generation of the bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fashion_hash.errors import BundleError, UnknownIdError
from fashion_hash.retrieval.recommender import Recommender

TRIES = 5

Shown = TypeVar("Shown")


def of_one_generation(recommender: Recommender, make: Callable[[], Shown]) -> Shown:
    """What `make` asks and shows, made again when the bundle moved to another generation meanwhile.

    Titles and pictures are read after the answer. Another generation may lack its ids, or use them for other items; in
    the same generation an item of the answer may have been removed.

    Args:
        recommender: what is asked.
        make: asks it, and reads what is shown; writes nothing.

    Raises:
        UnknownIdError: an id was unknown before, too.
        BundleError: the bundle changed during each of TRIES attempts.
    """
    for _ in range(TRIES):
        live = recommender.live
        seq = live.now().seq
        try:
            shown = make()
        except UnknownIdError:
            if recommender.live is live and live.now().seq == seq:
                raise
            continue
        if recommender.live is live:
            return shown
    raise BundleError(f"{recommender.bundle.root} changed during each of {TRIES} attempts to answer: ask again")
