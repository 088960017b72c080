"""What a study trains: variants and seeds, read from a study's file or from the options of the command."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from fashion_hash.config.experiment import Config, load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.config.study import load_study
from fashion_hash.config.yaml_text import parse_yaml
from fashion_hash.errors import ConfigError

MOST_CELLS = 10_000


@dataclass(frozen=True)
class Variant:
    """A variant: see `VariantConfig`.

    Attributes:
        name: as tables show it.
        file: its configuration.
        changes: overrides of the form key=value.
        run_of: keys that name the run of another variant with the same seed.
        same_runs: the variant whose runs are measured instead of training.
        form: of the answers; None for the run's own.
        calibrate: as in `evaluate`.
    """

    name: str
    file: Path
    changes: tuple[str, ...] = ()
    run_of: Mapping[str, str] = field(default_factory=dict)
    same_runs: str | None = None
    form: str | None = None
    calibrate: bool | None = None


@dataclass(frozen=True)
class Study:
    """A study: see `StudyConfig`.

    Attributes:
        name: of the study.
        out: its folder.
        variants: in the order of the table.
        seeds: of each variant.
        against: the name of the variant that the others are compared with.
        split: what is measured.
        drawn: as in `evaluate`.
        full: whether to make full rankings of any size, as `evaluate --full` does; if not, those of the usual size.
        figures: what the tables show; empty for the usual ones.
    """

    name: str
    out: Path
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    against: str
    split: str = "test"
    drawn: bool = False
    full: bool = False
    figures: tuple[str, ...] = ()

    def variant(self, name: str) -> Variant:
        """A variant by name."""
        return next(variant for variant in self.variants if variant.name == name)

    def trained(self, variant: Variant) -> Variant:
        """The variant that trains the runs of this one: itself, or the one that it names."""
        return variant if variant.same_runs is None else self.variant(variant.same_runs)

    def folder(self, variant: Variant, seed: int) -> Path:
        """Where a run lies."""
        return self.out / folder_name(self.trained(variant).name) / f"seed-{seed}"

    def config(self, variant: Variant, seed: int) -> Config | RequestConfig:
        """The configuration of a run.

        Raises:
            ConfigError: it cannot be read, or a change does not fit; the message names the variant.
        """
        variant = self.trained(variant)
        others = [f"{key}={json.dumps(str(self.folder(self.variant(of), seed)))}" for key, of in variant.run_of.items()]
        try:
            return load_experiment(variant.file, [*variant.changes, *others, f"seed={seed}"])
        except ConfigError as error:
            raise ConfigError(f"variant {variant.name!r}: {error}") from None

    def order(self) -> list[Variant]:
        """The variants that train, each after those whose runs it needs.

        Raises:
            ConfigError: variants need each other's runs.
        """
        left = [variant for variant in self.variants if variant.same_runs is None]
        ordered: list[Variant] = []
        while left:
            done = {variant.name for variant in ordered}
            free = [v for v in left if all(self.trained(self.variant(of)).name in done for of in v.run_of.values())]
            if not free:
                names = ", ".join(repr(variant.name) for variant in left)
                raise ConfigError(f"run_of: the variants {names} need each other's runs")
            ordered.append(free[0])
            left.remove(free[0])
        return ordered


def folder_name(name: str) -> str:
    """A name of a variant as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9.=+-]+", "_", name).strip("_.") or "variant"


def study_from_file(path: Path, out: str | None, seeds: Sequence[int] | None, changes: Sequence[str] = ()) -> Study:
    """The study that a file describes.

    Args:
        path: of the study.
        out: its folder; runs/NAME by default.
        seeds: in place of those of the file.
        changes: overrides for every run, after the file's own.
    """
    config = load_study(path)
    common = (*_overrides(config.set), *changes)
    variants = [
        Variant(
            name,
            path.parent / (variant.config or config.config),
            (*common, *_overrides(variant.set)),
            dict(variant.run_of),
            variant.same_runs,
            variant.form,
            variant.calibrate,
        )
        for name, variant in config.variants.items()
    ]
    against = config.against or variants[0].name
    folder = Path("runs") / config.name if out is None else Path(out)
    chosen = tuple(config.seeds if seeds is None else seeds)
    measured = (config.split, config.drawn, config.full, config.figures)
    return _checked(Study(config.name, folder, tuple(variants), chosen, against, *measured))


def _overrides(values: Mapping[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def variants_from_options(files: Sequence[Path], vary: Sequence[str], named: Sequence[str]) -> list[Variant]:
    """The variants of a command line: each file, with each of the named variants, with each combination of values.

    Args:
        files: configurations.
        vary: "KEY=VALUE,VALUE,..."; several are combined.
        named: "NAME: KEY=VALUE KEY=VALUE ...", also without any change ("plain:").

    Raises:
        ConfigError: one of these is written in another way.
    """
    axes: list[list[tuple[str, tuple[str, ...]]]] = [[_named(text) for text in named]] if named else []
    axes += [_axis(text) for text in vary]
    variants = []
    for file in files:
        for choices in product(*axes):
            of_file = [file.stem] if len(files) > 1 or not axes else []
            name = " ".join([*of_file, *(name for name, _ in choices)])
            variants.append(Variant(name, file, tuple(change for _, changes in choices for change in changes)))
    return variants


def _axis(text: str) -> list[tuple[str, tuple[str, ...]]]:
    key, equals, values = text.partition("=")
    parsed = parse_yaml(f"[{values}]", f"--vary {text!r}") if equals else None
    if not key.strip() or not parsed:
        raise ConfigError(f"--vary {text!r}: write it as section.key=value,value,...")
    shown = [json.dumps(value) if not isinstance(value, str) else value for value in parsed]
    return [(f"{key.strip()}={word}", (f"{key.strip()}={json.dumps(value)}",)) for word, value in zip(shown, parsed)]


def _named(text: str) -> tuple[str, tuple[str, ...]]:
    name, colon, changes = text.partition(":")
    parts = changes.split()
    if not colon or not name.strip() or not all("=" in part for part in parts):
        raise ConfigError(f"--variant {text!r}: write it as 'NAME: key=value key=value'")
    return name.strip(), tuple(parts)


def study_from_options(
    files: Sequence[Path], variants: Sequence[Variant], seeds: Sequence[int], out: str | None, split: str
) -> Study:
    """The study of a command line; the first variant is what the others are compared with."""
    name = f"{files[0].stem}-study"
    folder = Path("runs") / name if out is None else Path(out)
    return _checked(Study(name, folder, tuple(variants), tuple(seeds), variants[0].name, split))


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds as an option gives them: "5" for 0 to 4, "0,3,7" for these.

    Raises:
        ConfigError: it is something else, or a seed is named twice.
    """
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if "," not in text and len(numbers) == 1:
        numbers = list(range(numbers[0])) if numbers[0] <= MOST_CELLS else []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ConfigError(f"--seeds {text!r}: give a number of seeds such as 5, or distinct seeds such as 0,3,7")
    return tuple(numbers)


def _checked(study: Study) -> Study:
    """Refuses variants of equal names or folders, and more runs than anybody means."""
    folders: dict[str, str] = {}
    for variant in study.variants:
        if (
            variant.same_runs is None
            and (other := folders.setdefault(folder_name(variant.name), variant.name)) != variant.name
        ):
            raise ConfigError(
                f"variants {other!r} and {variant.name!r} would share the folder {folder_name(other)}: rename one"
            )
    names = [variant.name for variant in study.variants]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"two variants are called {twice!r}: give each value once")
    if len(study.variants) * len(study.seeds) > MOST_CELLS:
        raise ConfigError(f"the study has more than {MOST_CELLS:,} runs: vary fewer values")
    return study
