"""Shares of a pool in this process, one after another: what shares in other processes must equal."""

from collections.abc import Sequence

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.index.engines.contract import Engine, Ranking
from fashion_hash.index.engines.shares import Question, Sharded, Share, open_share
from fashion_hash.index.pool import Pool


class LocalShares(Sharded):
    """As many shares as are given, or that many new ones."""

    def __init__(self, bundle: Bundle, pool: Pool, *, shares: int = 3, engines: Sequence[Engine] = ()) -> None:
        super().__init__(bundle, pool)
        self._engines = engines or [open_share(bundle, pool, Share(number, shares)) for number in range(shares)]

    @property
    def tests_items(self) -> bool:
        return all(engine.tests_items for engine in self._engines)

    def over(self, view: Bundle) -> Engine:
        return LocalShares(view, self._pool, engines=[engine.over(view) for engine in self._engines])

    def ask(self, question: Question) -> list[list[Ranking]]:
        return [engine.search_many(*question) for engine in self._engines]  # type: ignore[arg-type]
