"""Reads every body before its route runs: at most so many bytes, in at most so many seconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashion_hash.serving.http.problems import ErrorPage, Problem, is_for_people, problem_reply

MOST_DRAINED = 128 << 20
_CLOSE = {"connection": "close"}


class BoundedBodies:
    """Refuses bodies that are too large or arrive too slowly, and new ones while those at hand fill the memory.

    Args:
        app: the application.
        most_bytes: of one body.
        seconds: in which a body must have arrived.
        all_bytes: of all bodies that are being read or answered.
        larger: by path the bytes of a body, where more are allowed.
        page: makes the reply to people; by default they get what programs get.
    """

    def __init__(
        self,
        app: ASGIApp,
        most_bytes: int,
        seconds: float,
        all_bytes: int = 256 << 20,
        larger: Mapping[str, int] | None = None,
        page: ErrorPage | None = None,
    ) -> None:
        self._app, self._most_bytes, self._seconds, self._free = app, most_bytes, seconds, all_bytes
        self._larger, self._page = larger or {}, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or refuses with 408, 413 or 503."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        held, most = 0, self._larger.get(scope["path"], self._most_bytes)

        async def read() -> bytes | None:
            nonlocal held
            parts = []
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                part = message.get("body", b"")
                held += len(part)
                self._free -= len(part)
                if held > most:
                    raise _Refused(413, f"a body may have at most {most:,} bytes: send less at once")
                if self._free < 0:
                    raise _Refused(503, "too much is being sent at the moment: try again later")
                parts.append(part)
                if not message.get("more_body"):
                    return b"".join(parts)

        try:
            body = await self._read(scope, read(), most)
            if body is not None:
                await self._app(scope, _replay(body, receive), send)
        except _Refused as refused:
            await self._refuse(scope, receive, send, refused)
        finally:
            self._free += held

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refused: _Refused) -> None:
        headers = _CLOSE if refused.status != 503 else {**_CLOSE, "retry-after": "1"}
        if self._page is not None and is_for_people(scope):
            await self._drain(receive)
            reply = self._page(Problem(refused.status, str(refused), headers=headers))
        else:
            request_id = scope.get("request_id", "")
            reply = problem_reply(refused.status, str(refused), headers=headers, request_id=request_id)
        await reply(scope, receive, send)

    async def _drain(self, receive: Receive) -> None:
        """Reads on for a while and keeps nothing: a browser that is still sending shows no reply."""
        count = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while count < MOST_DRAINED:
                    message = await receive()
                    count += len(message.get("body", b""))
                    if not message.get("more_body"):
                        return

    async def _read(self, scope: Scope, reading: object, most: int) -> bytes | None:
        stated = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if stated.isdigit() and int(stated) > most:
            reading.close()  # type: ignore[attr-defined]
            raise _Refused(413, f"a body may have at most {most:,} bytes, got {int(stated):,}")
        try:
            return await asyncio.wait_for(reading, self._seconds)  # type: ignore[arg-type]
        except TimeoutError:
            raise _Refused(408, f"a body must arrive within {self._seconds:g} seconds: send it at once") from None


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hands a body over as one message; what comes after it is that of the connection."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
