"""Views of a bundle."""

from __future__ import annotations

from fashion_hash.bundle.bundle import Bundle


def impersonal(bundle: Bundle) -> Bundle:
    """The bundle for an anonymous user: the preference counts nothing in its scores.

    Every engine over it answers by compatibility and item bias alone, whatever the user key.
    """
    return bundle.view(preference_scale=0)
