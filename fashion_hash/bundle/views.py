"""Views of a bundle."""

from __future__ import annotations

from fashion_hash.bundle.bundle import Bundle


def impersonal(bundle: Bundle) -> Bundle:
    """A view of the bundle for an anonymous user: preference does not count in its scores.

    Every engine over the view ranks by compatibility and item bias alone, whatever the user key.
    """
    return bundle.view(preference_scale=0)
