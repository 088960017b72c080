"""What surrounds every request: its id, the Host header, the access log, metrics, and headers that all replies have."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashion_hash.serving.http.problems import problem_reply
from fashion_hash.serving.metrics import Metrics

_log = logging.getLogger("fashion_hash.access")
_GOOD_ID = re.compile(rb"[\w.:-]{1,64}")
_QUIET = ("/healthz", "/readyz", "/metrics")


class Frame:
    """The outermost layer of the application.

    The access log names routes rather than paths, since paths hold the ids of users.

    Args:
        app: the application.
        metrics: where requests are counted.
        hosts: names that the Host header may have; empty for any.
        access_log: whether requests are logged.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, hosts: Collection[str], access_log: bool) -> None:
        self._app, self._metrics, self._hosts, self._access_log = app, metrics, hosts, access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers and counts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        sent_id = headers.get(b"x-request-id", b"")
        request_id = sent_id.decode() if _GOOD_ID.fullmatch(sent_id) else secrets.token_hex(8)
        scope["request_id"], scope["began"] = request_id, began
        status, size = 500, 0
        head = scope["method"] == "HEAD"  # is answered as GET is, without a body
        inner: Scope = {**scope, "method": "GET"} if head else scope

        async def send_framed(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            elif message["type"] == "http.response.body":
                if head:
                    message = {**message, "body": b""}
                size += len(message.get("body", b""))
            await send(message)

        try:
            if self._hosts and _name(headers.get(b"host", b"")) not in self._hosts:
                detail = "this service does not answer to that Host header: see --host-name"
                await problem_reply(400, detail, request_id=request_id)(inner, receive, send_framed)
            else:
                await self._app(inner, receive, send_framed)
        finally:
            self._count(inner, scope["method"], status, size, time.perf_counter() - began)

    def _count(self, scope: Scope, method: str, status: int, size: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        model = scope.get("model", "")
        self._metrics.count(route, status, model, seconds)
        if self._access_log and route not in _QUIET:
            line = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "request_id": scope["request_id"],
                "client": (scope.get("client") or ("", 0))[0],
                "method": method,
                "route": route,
                "status": status,
                "bytes": size,
                "milliseconds": round(1000 * seconds, 3),
                **({"model": model} if model else {}),
            }
            _log.info(json.dumps(line))


def _name(host: bytes) -> str:
    """The name in a Host header, without its port."""
    text = host.decode("latin-1").strip().lower()
    return text.partition("]")[0] + "]" if text.startswith("[") else text.partition(":")[0]
