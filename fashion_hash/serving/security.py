"""Tokens: who may read and who may write. Only their digests are stored."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from fashion_hash.errors import ConfigError, naming

Scope = Literal["read", "write"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_LINE = re.compile(r"(read|write) ([0-9a-f]{64})(?: .*)?")


class Token(NamedTuple):
    """What is kept of a token.

    Attributes:
        scope: "write" includes "read".
        digest: SHA-256 of the token, as hexadecimal digits. Tokens are 256 random bits, so that no salt is needed.
    """

    scope: Scope
    digest: str


class Tokens:
    """The tokens that a service accepts."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._tokens = tuple(tokens)

    def __len__(self) -> int:
        return len(self._tokens)

    def allows(self, token: str, scope: Scope) -> bool | None:
        """Whether a token allows something; None for an unknown token. It takes equally long for all of them."""
        digest = digest_of(token)
        known = allowed = False
        for each in self._tokens:
            same = hmac.compare_digest(each.digest, digest)
            known |= same
            allowed |= same and scope in (each.scope, "read")
        return allowed if known else None


def digest_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_tokens(path: Path) -> Tokens:
    """Reads a file of tokens: a scope and a digest on each line, perhaps a note behind them.

    Raises:
        ConfigError: the file cannot be read, or a line is not like that.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): make it with fashion-hash serve --new-token") from None
    tokens = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        read = _LINE.fullmatch(line.strip())
        if read is None:
            raise ConfigError(f"{path}:{number}: a line must be `read DIGEST` or `write DIGEST`, as --new-token writes")
        tokens.append(Token("write" if read[1] == "write" else "read", read[2]))
    return Tokens(tokens)


def new_token(path: Path, scope: Scope) -> str:
    """Makes a token and adds its digest to a file that only its owner may read; returns the token."""
    token = secrets.token_urlsafe(32)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(handle, "a", encoding="utf-8") as stream:
            stream.write(f"{scope} {digest_of(token)}\n")
    return token


def is_loopback(hosts: Sequence[str]) -> bool:
    """Whether all of some addresses are of this machine only."""
    return all(host in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(\.\d{1,3}){3}", host) for host in hosts)
