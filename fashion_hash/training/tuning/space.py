"""What is searched: ranges and choices of configuration keys, as options of a command or as a YAML file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fashion_hash.config.yaml_text import parse_yaml
from fashion_hash.errors import ConfigError


class Range(NamedTuple):
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether they are drawn by their logarithm.
        step: of whole numbers; None for others.
    """

    low: float
    high: float
    log: bool = False
    step: int | None = None


class Choice(NamedTuple):
    """Some values, each as YAML text; lists are values, too."""

    values: tuple[str, ...]


Space = Mapping[str, Range | Choice]
"""By key with dots, such as "optimiser.rates.user"."""


def read_space(file: Path | None, over: Sequence[str]) -> dict[str, Range | Choice]:
    """The space of a file and of options, which replace the file's keys.

    Args:
        file: YAML, by key [low, high] in a mapping {low, high, log, step}, or a list of values.
        over: "KEY=LOW..HIGH", "KEY=LOW..HIGH:log", "KEY=LOW..HIGH:STEP", or "KEY=VALUE,VALUE,...".

    Raises:
        ConfigError: the file cannot be read, something is written in another way, or nothing is searched.
    """
    space: dict[str, Range | Choice] = {}
    if file is not None:
        try:
            values = parse_yaml(file.read_text(encoding="utf-8-sig"), str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {file}: {error}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{file} must hold keys with a list of values or {{low, high, log, step}}")
        space |= {str(key): _of_value(value, f"{file}: {key}") for key, value in values.items()}
    for text in over:
        key, equals, values = text.partition("=")
        if not equals or not key.strip() or not values.strip():
            raise ConfigError(f"--over {text!r}: write it as section.key=low..high or section.key=value,value,...")
        space[key.strip()] = _of_text(values.strip(), f"--over {text!r}")
    if not space:
        raise ConfigError("nothing to search: name keys with --over or --space")
    return space


def _of_text(text: str, source: str) -> Range | Choice:
    low, dots, rest = text.partition("..")
    if not dots:
        return _of_value(parse_yaml(f"[{text}]", source), source)
    high, _, how = rest.partition(":")
    described = {"low": parse_yaml(low, source), "high": parse_yaml(high, source)}
    if how == "log":
        described["log"] = True
    elif how:
        described["step"] = parse_yaml(how, source)
    return _of_value(described, source)


def _of_value(value: Any, source: str) -> Range | Choice:
    if isinstance(value, list) and value:
        texts = tuple(json.dumps(choice) for choice in value)
        if len(set(texts)) < len(texts):
            raise ConfigError(f"{source}: a value is given twice in {', '.join(texts)}")
        return Choice(texts)
    if not isinstance(value, dict) or not {"low", "high"} <= value.keys() <= {"low", "high", "log", "step"}:
        raise ConfigError(f"{source}: give a list of values or {{low, high}} with log: true or a step, got {value!r}")
    found = Range(**value)
    numbers = [found.low, found.high, *([] if found.step is None else [found.step])]
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
        raise ConfigError(f"{source}: low, high and step must be numbers, got {value!r}")
    if not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{source}: low, high and step must be finite, got {value!r}")
    if found.low >= found.high or (found.log and found.low <= 0):
        raise ConfigError(
            f"{source}: low must be less than high, and above 0 with log, got {found.low} and {found.high}"
        )
    if found.step is not None and (found.log or not isinstance(found.step, int) or found.step < 1 or not _whole(found)):
        raise ConfigError(
            f"{source}: step is for whole numbers without log, and must be a whole number of at least 1, got {value!r}"
        )
    return found


def _whole(of: Range) -> bool:
    return isinstance(of.low, int) and isinstance(of.high, int)


def distributions(space: Space) -> dict[str, Any]:
    """The space as Optuna's distributions."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for key, of in space.items():
        if isinstance(of, Choice):
            found[key] = CategoricalDistribution(of.values)
        elif _whole(of):
            found[key] = IntDistribution(int(of.low), int(of.high), log=of.log, step=of.step or 1)
        else:
            found[key] = FloatDistribution(float(of.low), float(of.high), log=of.log)
    return found


def overrides(params: Mapping[str, Any]) -> list[str]:
    """What Optuna drew, as overrides of a configuration; choices are texts already."""
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in params.items()]
