"""Packages that only some installs have, and the error that says how to get them."""

from __future__ import annotations

from importlib.util import find_spec

from fashion_hash.errors import MissingExtraError


def require_extra(extra: str, purpose: str, *packages: str) -> None:
    """Checks that the packages of an extra are installed, without importing them.

    Args:
        extra: the pip extra that brings them, such as "train".
        purpose: what needs them, the subject of the message.
        packages: their import names.

    Raises:
        MissingExtraError: at least one is absent; the message names each and the command that installs them.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        names, are = ", ".join(missing[:-1]), "are" if missing[1:] else "is"
        names += f" and {missing[-1]}" if names else missing[-1]
        raise MissingExtraError(
            f"{purpose} needs {names}, which {are} not installed: pip install 'fashion_hash[{extra}]'"
        )
