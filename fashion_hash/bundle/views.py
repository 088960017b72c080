"""Views of a bundle."""

from __future__ import annotations

from fashion_hash.bundle.bundle import Bundle


def impersonal(bundle: Bundle) -> Bundle:
    """A view of the bundle for an anonymous user: preference does not count in its scores.

    Every engine over the view ranks by compatibility and item bias alone, whatever the user key.
    """
    return bundle.view(preference_scale=0)


AS_TRAINED = 0.5


def weighed(bundle: Bundle, taste: float) -> Bundle:
    """A view of the bundle with other weights of preference and compatibility.

    The preference counts 2 * taste times, the compatibility 2 * (1 - taste) times; the item bias counts as it did. Both
    scales are whole numbers, so that scores stay exact, and are rounded to such: with 10 and 10, which training
    writes, in steps of 0.05.

    Args:
        bundle: that scores by codes.
        taste: from 0 to 1; AS_TRAINED changes nothing.
    """
    return bundle.view(
        preference_scale=round(2 * taste * bundle.preference_scale),
        compatibility_scale=round(2 * (1 - taste) * bundle.compatibility_scale),
    )
