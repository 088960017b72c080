"""Who may read and who may write: dependencies of the routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from fashion_hash.serving.http.problems import Problem
from fashion_hash.serving.security import Scope
from fashion_hash.serving.service import Service, service_of

_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="A token that --new-token made.")
_API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="key", description="The same, as a header.")
_CHALLENGE = {"www-authenticate": "Bearer"}

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
ApiKey = Annotated[str | None, Depends(_API_KEY)]


async def may_read(request: Request, bearer: Bearer, api_key: ApiKey) -> None:
    """Refuses a question without a token, where one is needed; a wrong token is refused everywhere."""
    service = service_of(request)
    token = _token(bearer, api_key)
    if token is None and service.settings.open_reads:
        return
    _check(service, token, "read")


async def may_write(request: Request, bearer: Bearer, api_key: ApiKey) -> None:
    """Refuses a change without a token for writing."""
    _check(service_of(request), _token(bearer, api_key), "write")


def _token(bearer: HTTPAuthorizationCredentials | None, api_key: str | None) -> str | None:
    return bearer.credentials if bearer is not None else api_key


def _check(service: Service, token: str | None, scope: Scope) -> None:
    if token is None:
        detail = f"a token with the scope {scope} is needed: send it as `Authorization: Bearer TOKEN` or `X-API-Key`"
        if not service.tokens:
            detail = "this service accepts no tokens, so nothing can be changed: start it with --tokens FILE"
        raise Problem(401, detail, headers=_CHALLENGE)
    allowed = service.tokens.allows(token, scope)
    if allowed is None:
        raise Problem(401, "the token is unknown: see that it is complete", headers=_CHALLENGE)
    if not allowed:
        raise Problem(403, f"the token only has the scope read, and this needs {scope}")


CanRead = Depends(may_read)
CanWrite = Depends(may_write)
