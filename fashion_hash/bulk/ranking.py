"""Full ranking of a run, as tables and as metrics."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fashion_hash.core.files import sha256, write_json
from fashion_hash.errors import BundleError, QueryError, TrainingError
from fashion_hash.evaluation.ranking.protocols import FullProtocol
from fashion_hash.evaluation.ranking.rank import Counts, FullRanking

if TYPE_CHECKING:
    import pyarrow

    from fashion_hash.training.measure.full import Scorers

SCORES_A_PART = 1 << 28
METRICS = "metrics.json"


class _Part(NamedTuple):
    """Some of the lists of a protocol."""

    protocol: str
    first: int
    last: int


@dataclass(frozen=True)
class RankAll:
    """A job (jobs.py): where each positive of a split stands among everything, by a run as its bundle answers.

    Rows have the columns protocol (string: "full_outfits", "full_TYPE"), list (int64), user (string), candidate (int64,
    the row of the positive in the pool or among the items of the type), above (int64, candidates that score higher)
    and tied (int64, candidates that score the same, itself included), in the order of lists. The metadata of each
    part's schema hold what its lists show, for coverage.

    Attributes:
        run: the folder.
        split: the name of the split.
        state: of the run and its data.
        sizes: by protocol its lists and its candidates.
        scores_a_part: how many scores a part takes at most, but for a single list.
    """

    run: Path
    split: str
    state: str
    sizes: tuple[tuple[str, int, int], ...]
    scores_a_part: int

    @classmethod
    def of(cls, run: Path, split: str = "test", scores_a_part: int = SCORES_A_PART) -> RankAll:
        """The job for a run as it is now.

        Raises:
            TrainingError: no finished run, or its data has changed.
            DataError: the data has no such split.
            QueryError: nothing can be ranked in it.
        """
        opened = _opened(run, split, _checkpoint(run))
        sizes = tuple((name, len(each.lists), each.lists.size) for name, each in opened.protocols.items())
        if not sizes:
            raise QueryError(f"{run}: the split {split} has nothing to rank")
        return cls(run, split, opened.state, sizes, scores_a_part)

    @property
    def lists(self) -> int:
        """How many lists are ranked, those of all protocols together."""
        return sum(lists for _, lists, _ in self.sizes)

    def facts(self) -> dict[str, Any]:
        """See Job.facts."""
        return {
            "job": "rank-all",
            "run": str(self.run),
            "split": self.split,
            "state": self.state,
            "sizes": self.sizes,
            "scores_a_part": self.scores_a_part,
        }

    def parts(self) -> int:
        """See Job.parts."""
        return len(list(self._parts()))

    def table(self, part: int) -> pyarrow.Table:
        """See Job.table. Raises TrainingError when the run was trained again meanwhile."""
        import pyarrow

        opened, this = self._now(), list(self._parts())[part]
        protocol, numbers = opened.protocols[this.protocol], np.arange(this.first, this.last)
        counts = protocol.count(*opened.scorers, numbers)
        lists = protocol.lists.of(numbers)
        each = np.repeat(numbers, np.diff(lists.positives.starts))
        users = [opened.users[user] for user in protocol.lists.users[each].tolist()]
        columns = {
            "protocol": pyarrow.array([this.protocol] * len(each), pyarrow.string()),
            "list": each,
            "user": pyarrow.array(users, pyarrow.string()),
            "candidate": lists.positives.rows,
            "above": counts.above,
            "tied": counts.tied,
        }
        return pyarrow.table(columns).replace_schema_metadata(_shown_as_text(counts))

    def metrics(self, folder: Path) -> dict[str, dict[str, Any]]:
        """The metrics of the finished job in a folder, by protocol: its statement, and those of FullRanking.metrics."""
        import pyarrow.parquet

        protocols = self._now().protocols
        counted: dict[str, list[Counts]] = {name: [] for name in protocols}
        for number, part in enumerate(self._parts()):
            table = pyarrow.parquet.read_table(folder / f"part-{number:05d}.parquet")
            above, tied = (table[name].to_numpy() for name in ("above", "tied"))
            counted[part.protocol].append(Counts(above, tied, *_shown_of_text(table.schema.metadata)))
        return {
            name: {"statement": protocol.statement, **FullRanking.of(protocol.lists, counted[name]).metrics()}
            for name, protocol in protocols.items()
        }

    def write_metrics(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Writes `metrics` beside the parts, and returns them."""
        metrics = self.metrics(folder)
        write_json(folder / METRICS, metrics)
        return metrics

    def _now(self) -> _Opened:
        opened = _opened(self.run, self.split, _checkpoint(self.run))
        if opened.state != self.state:
            raise TrainingError(f"{self.run} was changed since the job began: begin again in a new folder")
        return opened

    def _parts(self) -> Iterator[_Part]:
        for name, lists, size in self.sizes:
            at_once = max(1, self.scores_a_part // max(size, 1))
            for first in range(0, lists, at_once):
                yield _Part(name, first, min(first + at_once, lists))


def _shown_as_text(counts: Counts) -> dict[str, str]:
    """What the lists of a part show, as metadata: bits, and the few candidates at the edge of a list."""
    rows = np.flatnonzero(counts.missed)
    shown = base64.b64encode(np.packbits(counts.shown).tobytes()).decode()
    edge = {"rows": rows.tolist(), "missed": [value.hex() for value in counts.missed[rows].tolist()]}
    return {"shown": shown, "candidates": str(len(counts.shown)), "edge": json.dumps(edge)}


def _shown_of_text(metadata: dict[bytes, bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `_shown_as_text`."""
    size, edge = int(metadata[b"candidates"]), json.loads(metadata[b"edge"])
    bits = np.frombuffer(base64.b64decode(metadata[b"shown"]), dtype=np.uint8)
    missed = np.zeros(size)
    missed[edge["rows"]] = [float.fromhex(value) for value in edge["missed"]]
    return np.unpackbits(bits, count=size).astype(bool), missed


class _Opened(NamedTuple):
    """A run, opened once in each process, and again when it was trained again."""

    protocols: dict[str, FullProtocol]
    scorers: Scorers
    users: list[str]
    state: str


@lru_cache(maxsize=1)
def _opened(path: Path, split: str, checkpoint: str) -> _Opened:
    from fashion_hash.training.measure.full import full_ranking_of
    from fashion_hash.training.runs.run import Run, load_data

    run = Run.open(path)
    dataset = load_data(run.config, None, run.path)
    protocols, scorers = full_ranking_of(run, split, dataset)
    return _Opened(protocols, scorers, list(dataset.users.ids), f"{checkpoint}-{dataset.fingerprint}")


def _checkpoint(path: Path) -> str:
    """The checksum of what was trained."""
    try:
        return sha256(path / "best.safetensors")[:16]
    except OSError as error:
        raise BundleError(f"{path} holds no trained run ({error})") from None
