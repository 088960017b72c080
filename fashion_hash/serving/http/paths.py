"""Ids in paths: an escaped slash, percent sign or quote belongs to the id."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, unquote, unquote_to_bytes

from fastapi import Path
from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_hash.serving.schemas.fields import LONGEST_ID

_PLAIN = ":@!$&'()*+,;=~"  # may stand in a segment as they are


class EscapedPaths:
    """Routes by the path as it was sent, so that "a%2Fb" is one segment; `PathId` is the id itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replaces the decoded path by the escaped one, written in one way."""
        raw = scope.get("raw_path")
        if scope["type"] == "http" and raw:
            segments = raw.partition(b"?")[0].split(b"/")
            scope["path"] = "/".join(quote(unquote_to_bytes(segment), safe=_PLAIN) for segment in segments)
        await self._app(scope, receive, send)


def _decoded(segment: str) -> str:
    try:
        text = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("an id in the path must be UTF-8, escaped by percent signs") from None
    if len(text) > LONGEST_ID:
        raise ValueError(f"an id must have at most {LONGEST_ID:,} letters, got {len(text):,}")
    return text


PathId = Annotated[str, Path(min_length=1, max_length=12 * LONGEST_ID), AfterValidator(_decoded)]
PathType = Annotated[str, Path(min_length=1, max_length=12 * LONGEST_ID), AfterValidator(_decoded)]


def path_of(segment: str) -> str:
    """An id as it stands in a path."""
    return quote(segment, safe="")
