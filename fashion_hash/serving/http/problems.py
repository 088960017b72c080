"""Errors as problem+json (RFC 9457): what is wrong, in which field, and what to do."""

from __future__ import annotations

import errno
import json
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fashion_hash.errors import BundleError, ClusterError, FashionHashError, MissingExtraError, UnknownIdError, shown

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "The token does not allow this",
    404: "Not found",
    405: "This method is not allowed here",
    408: "The body took too long to arrive",
    409: "This contradicts what is there",
    413: "The body is too large",
    415: "The body has another media type",
    422: "The request does not make sense",
    429: "Too many requests",
    500: "The service failed",
    503: "The service cannot answer now",
    507: "There is no space left to write",
}
_IN_HTTP = {
    "add new users with add_user, or ask without a user, for an answer that is the same for all strangers": (
        'add them with PUT /v1/users/{id}, or send "if_unknown": "anonymous" with a question'
    ),
    "pass again=True": 'send "again": true with PUT /v1/users/{id}',
}  # what Python calls otherwise
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_log = logging.getLogger("fashion_hash.serving")


class Problem(Exception):
    """An error that a route raises; the handler makes a reply of it.

    Args:
        status: of the reply.
        detail: what is wrong and what to do.
        pointer: of the field of the body (RFC 6901), or the name of a parameter; "" where it is about neither.
        headers: more headers of the reply.
    """

    def __init__(self, status: int, detail: str, pointer: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.pointer, self.headers = status, detail, pointer, headers or {}


def problem_reply(
    status: int,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    request_id: str = "",
) -> Response:
    """A reply in problem+json."""
    title = TITLES.get(status, "The request failed")
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = list(errors)
    if request_id:
        body["request_id"] = request_id
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status, dict(headers or {}), MEDIA_TYPE)


ErrorPage = Callable[[Problem], Response]


def add_handlers(app: FastAPI, page: ErrorPage) -> None:
    """Makes every error of the application a problem: for programs as JSON, for people as a page."""

    def for_whom(problem_of: Callable[[Request, Exception], Problem]) -> Callable[..., Awaitable[Response]]:
        async def handle(request: Request, error: Exception) -> Response:
            problem = problem_of(request, error)
            return page(problem) if is_for_people(request.scope) else _reply_to(request, problem)

        return handle

    app.add_exception_handler(Problem, for_whom(_of_problem))
    app.add_exception_handler(HTTPException, for_whom(_of_http))
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(FashionHashError, for_whom(_of_known))
    app.add_exception_handler(OSError, for_whom(_of_known))
    app.add_exception_handler(Exception, for_whom(_of_bug))


def is_for_people(scope: Mapping[str, Any]) -> bool:
    """Whether a browser asks for a page: it says that it takes HTML, and the path is not one for programs."""
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return b"text/html" in accepted and not str(scope["path"]).startswith("/v1/")


def as_problem(error: Exception) -> Problem:
    """What an error of fashion_hash or of the system means to a caller."""
    message = str(error)
    if isinstance(error, UnknownIdError):
        return Problem(404, message)
    if any(_is_full(cause) for cause in _causes(error)):
        return Problem(507, "there is no space left to write: free some, and send it again")
    if isinstance(error, BundleError | ClusterError | MissingExtraError | OSError):
        _log.error("%s", message)
        if isinstance(error, ClusterError):  # in brackets stand addresses, which are none of a caller's business
            return Problem(
                503, f"{message.partition(' (')[0].partition(';')[0]}: try again", headers={"Retry-After": "5"}
            )
        return Problem(503, "the files of the bundle cannot be used now: see the log", headers={"Retry-After": "5"})
    conflict = "already exists" in message or "was removed" in message
    return Problem(409 if conflict else 422, message, _field_of(message))


def problem_of(error: Exception, request_id: str) -> Problem:
    """What any error means to a caller; one that nobody foresaw is logged under the id of the request."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, FashionHashError | OSError):
        return as_problem(error)
    _log.error("request %s failed", request_id, exc_info=error)
    return Problem(500, f"this is a fault of the service; its log has more under the request {request_id}")


def _field_of(message: str) -> str:
    """The pointer of the field that a message begins with, such as "k must be ..." and "where.price ..."."""
    named = re.match(r"(\w+)(?: \S+)? must be |(where)\b", message)
    return f"/{named[1] or named[2]}" if named else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


def _reply_to(request: Request, problem: Problem) -> Response:
    detail = problem.detail
    for in_python, in_http in _IN_HTTP.items():
        detail = detail.replace(in_python, in_http)
    errors = [{"pointer": problem.pointer, "detail": detail}] if problem.pointer else []
    return problem_reply(problem.status, detail, errors, problem.headers, request_id_of(request))


def request_id_of(request: Request) -> str:
    """The id of a request (http/frame.py)."""
    return str(request.scope.get("request_id", ""))


def _of_problem(request: Request, error: Exception) -> Problem:
    assert isinstance(error, Problem)
    return error


def _of_known(request: Request, error: Exception) -> Problem:
    return as_problem(error)


def _of_http(request: Request, error: Exception) -> Problem:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if detail == "There was an error parsing the body":
        detail = "the body cannot be read: send JSON, in UTF-8 and not compressed, with numbers of a sensible length"
    if error.status_code == 404:
        detail = "there is nothing at this path: /openapi.json lists the paths"
    elif error.status_code == 405:
        detail = f"{request.method} is not allowed here: /openapi.json lists the methods"
    return Problem(error.status_code, detail, headers=error.headers)


def _of_bug(request: Request, error: Exception) -> Problem:
    return problem_of(error, request_id_of(request))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [{"pointer": _pointer(each["loc"]), "detail": _sentence(each)} for each in error.errors()[:20]]
    first = errors[0]
    if isinstance(error.body, bytes) and error.body:  # it was not read, since it does not say that it is JSON
        detail = "the body is not read as JSON: send it with the header Content-Type: application/json"
        return problem_reply(415, detail, request_id=request_id_of(request))
    unreadable = error.errors()[0]["type"] == "json_invalid"
    detail = first["detail"] if not first["pointer"] else f"{first['pointer']}: {first['detail']}"
    return problem_reply(400 if unreadable else 422, detail, errors, request_id=request_id_of(request))


def _pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer for a field of the body, "path:NAME" and such for parameters."""
    where, *rest = location
    if where == "body":
        if all(isinstance(part, int) for part in rest):  # where the parser stopped
            return ""
        parts = (str(part).replace("~", "~0").replace("/", "~1") for part in rest if not _is_branch(part))
        return "".join(f"/{part}" for part in parts)
    return f"{where}:{'.'.join(map(str, rest))}"


def _is_branch(part: str | int) -> bool:
    """Whether a part of a location names the branch of a union rather than a field."""
    return isinstance(part, str) and ("[" in part or part in ("str", "int", "float", "bool"))


def _sentence(error: Mapping[str, Any]) -> str:
    kind, context, value = error["type"], error.get("ctx", {}), shown(error.get("input"))
    sentences = {
        "missing": "this field is missing",
        "int_type": f"must be a whole number, got {value}",
        "model_attributes_type": f"must be an object, got {value}",
        "dict_type": f"must be an object, got {value}",
        "list_type": f"must be a list, got {value}",
        "string_type": f"must be a text, got {value}",
        "string_unicode": "must be a text that can be written in UTF-8",
        "extra_forbidden": "this field is unknown: /openapi.json lists the fields",
        "greater_than_equal": f"must be at least {context.get('ge')}, got {value}",
        "greater_than": f"must be above {context.get('gt')}, got {value}",
        "less_than_equal": f"must be at most {context.get('le')}, got {value}",
        "too_long": f"must hold at most {context.get('max_length')} entries",
        "too_short": f"must hold at least {context.get('min_length')} entries",
        "string_too_long": f"must have at most {context.get('max_length')} letters",
        "string_too_short": "must not be empty",
        "json_invalid": f"the body is not JSON: {context.get('error')}",
        "literal_error": f"must be {context.get('expected')}, got {value}",
        "value_error": str(context.get("error")),
    }
    said = str(error["msg"])
    return sentences.get(kind, f"{said[:1].lower()}{said[1:]}, got {value}")
