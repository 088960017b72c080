"""The bundles that a service answers from, and which of them answers whom."""

from __future__ import annotations

import gc
import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fashion_hash.errors import BundleError, ConfigError, FashionHashError, QueryError, suggest
from fashion_hash.index.engines.open import EngineName
from fashion_hash.retrieval.recommender import Recommender

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Model:
    """A bundle that answers.

    Attributes:
        name: in replies and metrics.
        path: the bundle folder.
        recommender: what answers.
        share: of the users, 0 to 1.
    """

    name: str
    path: Path
    recommender: Recommender
    share: float = 1.0

    @property
    def generation(self) -> int:
        """The number of the generation that answers; 0 for a bundle without generations."""
        folder = self.recommender.live.bundle.path.name
        return int(folder) if folder.isdecimal() else 0


class Models:
    """The models of a service. Users belong to one of them by a stable hash of their id.

    Args:
        models: at least one; their shares add up to 1.
        engine: how pools are searched, as for Recommender.load.
    """

    def __init__(self, models: Sequence[Model], engine: EngineName = "auto") -> None:
        self._models, self._engine = {model.name: model for model in models}, engine
        self._changing = threading.Lock()

    @classmethod
    def open(
        cls, bundles: Sequence[str], split: str | None = None, *, verify: bool = True, engine: EngineName = "auto"
    ) -> Models:
        """Opens bundles given as in the command line, `PATH` or `NAME=PATH`.

        Args:
            bundles: the bundles; a name is needed where there are several.
            split: how many of the users each gets, such as "90,10"; by default equally many.
            verify: compare the checksum of every file.
            engine: how pools are searched, as for Recommender.load.

        Raises:
            ConfigError: a name or the split is not valid.
            BundleError: a bundle cannot be opened.
        """
        named = named_bundles(bundles)
        shares = _shares(split, len(named))
        opened = [Recommender.load(path, verify=verify, engine=engine) for _, path in named]
        models = [Model(*each, recommender, share) for each, recommender, share in zip(named, opened, shares)]
        return cls(models, engine)

    def __iter__(self) -> Iterator[Model]:
        return iter(tuple(self._models.values()))

    def of(self, subject: str, name: str | None = None) -> Model:
        """The model of a user, a session or a request.

        Args:
            subject: the id that decides; the same id always gets the same model.
            name: of the model, where the caller chooses it.

        Raises:
            QueryError: no model has this name.
        """
        models = tuple(self._models.values())
        if name is not None:
            if name not in self._models:
                raise QueryError(f"no model {name!r}{suggest(name, self._models)}: there are {', '.join(self._models)}")
            return self._models[name]
        if len(models) == 1:
            return models[0]
        place = int.from_bytes(hashlib.sha256(b"model of " + subject.encode("utf-8", "replace")).digest()[:8]) / 2**64
        for model in models:
            place -= model.share
            if place < 0:
                return model
        return models[-1]

    def reload(self, name: str | None = None, warm: Callable[[Recommender], None] = lambda recommender: None) -> None:
        """Opens models again, checks every file and lets each answer once; only then are they swapped.

        Answers in progress end on what they began with. When one cannot be opened, nothing changes.

        Args:
            name: of the model; None for all.
            warm: called with each before it answers.

        Raises:
            QueryError: no model has this name.
            BundleError: a bundle cannot be opened.
        """
        with self._changing:
            chosen = list(self) if name is None else [self.of("", name)]
            for model in chosen:
                Recommender.load(model.path).close()  # compares all checksums; later generations only their sizes
            fresh = [
                replace(model, recommender=Recommender.load(model.path, verify=False, engine=self._engine))
                for model in chosen
            ]
            for model in fresh:
                try:
                    warm(model.recommender)
                except FashionHashError as error:
                    raise BundleError(f"{model.path} is opened but does not answer: {error}") from error
            self._models = {**self._models, **{model.name: model for model in fresh}}
            for model in chosen:
                model.recommender.close()  # an answer in progress opens again what it needs
        del chosen
        gc.collect()  # or the old files would stay open until the collector comes by itself


def named_bundles(bundles: Sequence[str]) -> list[tuple[str, Path]]:
    """Names and folders of bundles given as in the command line. Raises ConfigError."""
    named = [_named(bundle, len(bundles) > 1) for bundle in bundles]
    if not named:
        raise ConfigError("no bundle is given: name a bundle folder, such as runs/demo/bundle")
    names = [name for name, _ in named]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"two bundles have the name {twice[0]!r}: give each its own, as in A=runs/a/bundle")
    return named


def _named(bundle: str, needed: bool) -> tuple[str, Path]:
    name, equals, path = bundle.partition("=")
    if not equals or "/" in name:
        name, path = "", bundle
        if needed:
            raise ConfigError(f"with several bundles each needs a name: write A={bundle} rather than {bundle}")
    name = name or "main"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"the name of a bundle must be letters, digits, '-', '_' or '.', got {name!r}")
    return name, Path(path)


def _shares(split: str | None, count: int) -> list[float]:
    if split is None:
        return [1 / count] * count
    try:
        parts = [float(part) for part in split.split(",")]
    except ValueError:
        parts = []
    if len(parts) != count or not all(0 <= part < 1e9 for part in parts) or not sum(parts):
        raise ConfigError(f"--split must be a number for each of the {count} bundles, such as 90,10, got {split!r}")
    return [part / sum(parts) for part in parts]
