"""A change as it is named and handed over, and the reply to it: plain values that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Made(NamedTuple):
    """A change that was made.

    Attributes:
        facts: the reply, as JSON can write it.
        status: of the reply.
    """

    facts: dict[str, Any]
    status: int = 200


class Key(NamedTuple):
    """An idempotency key.

    Attributes:
        name: as it was sent.
        digest: of all that was sent under it, as hexadecimal digits.
    """

    name: str
    digest: str


class Call(NamedTuple):
    """A change to make.

    Attributes:
        change: its name, in changes/make.py.
        arguments: of that function.
        key: None where none was sent.
        request_id: of the request, for the log.
    """

    change: str
    arguments: Mapping[str, Any]
    key: Key | None
    request_id: str
