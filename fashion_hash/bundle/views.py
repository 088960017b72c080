"""A bundle as someone else sees it."""

from __future__ import annotations

from copy import copy

from fashion_hash.bundle.bundle import Bundle


def impersonal(bundle: Bundle) -> Bundle:
    """The bundle for someone of whom nothing is known: the preference counts nothing in its scores.

    Every engine over it answers by compatibility and item bias alone, whatever the user code.
    """
    alone = copy(bundle)
    alone.preference_scale = 0
    return alone
