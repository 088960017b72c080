"""The best outfits of the pool for every user, as tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_hash.errors import BundleError
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.recommender import Recommender

if TYPE_CHECKING:
    import pyarrow

USERS_A_PART = 8_192


@dataclass(frozen=True)
class TopK:
    """A job (jobs.py): for each user of a bundle, those who were added since among them, the k best outfits.

    Rows have the columns user (string), place (int32, from 1), outfit (string) and score (float64), users in order of
    the bundle and then of ids, outfits as Recommender.recommend answers them. A change of items or outfits while the
    job runs makes it stop: its parts would be of different states.

    Attributes:
        bundle: the folder.
        k: outfits for each user, at most.
        include_liked: also outfits that a user is known to like.
        users_a_part: how many users a part holds.
        state: of the catalogue, see `of`.
        users: how many there are.
    """

    bundle: Path
    k: int
    include_liked: bool
    users_a_part: int
    state: str
    users: int

    @classmethod
    def of(cls, bundle: Path, k: int = 10, *, include_liked: bool = False, users_a_part: int = USERS_A_PART) -> TopK:
        """The job for a bundle as it is now.

        Raises:
            BundleError: the bundle cannot be opened.
            QueryError: k or the number of users is below 1.
        """
        check_count("k", k)
        check_count("users_a_part", users_a_part)
        recommender, users = _open(bundle)
        return cls(bundle, k, include_liked, users_a_part, state_of(recommender, users), len(users))

    def facts(self) -> dict[str, Any]:
        """See Job.facts."""
        return {
            "job": "top-k",
            "bundle": str(self.bundle),
            "state": self.state,
            "users": self.users,
            "k": self.k,
            "include_liked": self.include_liked,
            "users_a_part": self.users_a_part,
        }

    def parts(self) -> int:
        """See Job.parts."""
        return -(-self.users // self.users_a_part)

    def table(self, part: int) -> pyarrow.Table:
        """See Job.table. Raises BundleError when the catalogue was changed since the job was made."""
        import pyarrow

        recommender, everybody = _opened(self.bundle, self.state)
        self._check(recommender, everybody)
        users = everybody[part * self.users_a_part : (part + 1) * self.users_a_part]
        hits = recommender.recommend(users, self.k, include_liked=self.include_liked)
        self._check(recommender, everybody)
        found = hits.scores > -np.inf
        counts = found.sum(axis=1)
        places = np.broadcast_to(np.arange(1, found.shape[1] + 1, dtype=np.int32), found.shape)
        return pyarrow.table(
            {
                "user": np.repeat(np.array(users, dtype=object), counts),
                "place": places[found],
                "outfit": hits.ids[found].astype(object),
                "score": hits.scores[found],
            },
            schema=pyarrow.schema(
                [
                    ("user", pyarrow.string()),
                    ("place", pyarrow.int32()),
                    ("outfit", pyarrow.string()),
                    ("score", pyarrow.float64()),
                ]
            ),
        )

    def _check(self, recommender: Recommender, users: list[str]) -> None:
        if state_of(recommender, users) != self.state:
            raise BundleError(f"{self.bundle} was changed since the job began: begin again in a new folder")


def state_of(recommender: Recommender, users: list[str]) -> str:
    """What all answers follow from: the exported files, the last change of items or outfits, and who is asked for."""
    now = recommender.live.now()
    digest = hashlib.sha256("\0".join(users).encode()).hexdigest()[:16]
    return f"{recommender.bundle.fingerprint}-{now.seq}-{digest}"


@lru_cache(maxsize=1)
def _opened(bundle: Path, _state: str) -> tuple[Recommender, list[str]]:
    """A bundle, opened once in each process for a job, and its users."""
    return _open(bundle)


def _open(bundle: Path) -> tuple[Recommender, list[str]]:
    recommender = Recommender.load(bundle, verify=False, engine="auto")
    exported = recommender.bundle.users.all()
    known = set(exported)
    added = set(recommender.live.ask(lambda store: store.users()) or ()) - known
    return recommender, [*exported, *sorted(added)]
