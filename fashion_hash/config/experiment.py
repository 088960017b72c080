"""One YAML file describes one complete experiment.

Every section is frozen and validated; an unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError, model_validator

from fashion_hash.config.data import DataConfig
from fashion_hash.config.network import (
    AttributesConfig,
    CooccurrenceConfig,
    EncoderConfig,
    IdConfig,
    ImageConfig,
    ModelConfig,
    OutfitConfig,
    TextConfig,
    UserConfig,
)
from fashion_hash.config.recipe import Recipe
from fashion_hash.config.requests import RequestConfig
from fashion_hash.config.sections import Name, Section, Seed
from fashion_hash.config.training import (
    ContrastiveConfig,
    LossConfig,
    NegativesConfig,
    OptimiserConfig,
    TeacherConfig,
    TrainConfig,
)
from fashion_hash.config.yaml_text import MOST_CHARACTERS, line_of, parse_yaml
from fashion_hash.errors import ConfigError, suggest

AnyConfig = TypeVar("AnyConfig", bound=BaseModel)

CONTENT = ("image", "text", "cooccurrence", "attributes")
MODALITIES = (*CONTENT, "id")
# keys that are left out of the YAML at their defaults: files named after a digest of it keep their names
_LEFT_OUT = {
    "image": ("encoder", "pooling", "components"),
    "text": ("components",),
    "model": ("kind", "codes", "code_dropout"),
    "negatives": ("fill", "in_batch"),
    "encoder": ("anchors",),
    "train": ("unworn", "best_by", "patience"),
}
_MOST_PROBLEMS = 8  # in one message
_MOST_LETTERS = 2000  # of one message


class Config(Section):
    """One experiment on outfits. At least one of image, text, cooccurrence, attributes and id must be given.

    Attributes:
        name: the name of the run's folder: letters, digits, ".", "_" and "-".
        seed: the seed of all random numbers.
        recipe: how settings that are left out are looked for on the validation split; they have their defaults if it
            is left out. Runs have the configuration that was chosen.
        data: which data set to read.
        image: pictures of the items.
        text: words about the items.
        cooccurrence: what the training split tells about the items.
        attributes: columns of the catalogue.
        id: a learned embedding of each item.
        outfit: codes and biases of outfits themselves; none if left out.
        user: the codes of users.
        model: the matching model.
        encoder: the outfit encoder; if left out, the network is FHN.
        loss: what is minimised.
        teacher: finished runs that weigh the negatives; none if left out.
        contrastive: contrastive learning between views of an outfit; none if left out.
        negatives: how negative outfits are drawn.
        optimiser: how the weights are updated.
        train: the training loop.
    """

    name: Name
    seed: Seed = 0
    recipe: Recipe = None
    data: DataConfig
    image: ImageConfig | None = None
    text: TextConfig | None = None
    cooccurrence: CooccurrenceConfig | None = None
    attributes: AttributesConfig | None = None
    id: IdConfig | None = None
    outfit: OutfitConfig | None = None
    user: UserConfig = UserConfig()
    model: ModelConfig = ModelConfig()
    encoder: EncoderConfig | None = None
    loss: LossConfig = LossConfig()
    teacher: TeacherConfig | None = None
    contrastive: ContrastiveConfig | None = None
    negatives: NegativesConfig = NegativesConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    train: TrainConfig = TrainConfig()

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities in use, in the order of their codes."""
        return tuple(name for name in MODALITIES if getattr(self, name) is not None)

    def head(self, modality: str) -> str:
        """The kind of hash head ("fhn" or "linear") of a content modality."""
        section = getattr(self, modality)
        assert isinstance(section, ImageConfig | TextConfig | CooccurrenceConfig | AttributesConfig)
        return section.head

    @model_validator(mode="after")
    def _check(self) -> Config:
        if not self.modalities and self.recipe is None:
            raise ValueError(f"no modality: give at least one of the sections {', '.join(CONTENT)} and id")
        kind, teacher = self.negatives.kind, self.teacher
        if teacher is not None and teacher.per_positive is not None and kind not in ("shared", "outfits"):
            raise ValueError(
                f"teacher.per_positive needs negatives.kind shared or outfits, got {kind}: the teacher then weighs "
                "the negatives.per_positive negatives of each positive, so leave it out"
            )
        if teacher is not None and teacher.per_positive is None and kind == "outfits":
            raise ValueError(
                "negatives.kind outfits: give teacher.per_positive, the number of random negatives of each positive "
                "that the teacher weighs; it does not weigh the outfits that a whole batch shares"
            )
        if self.negatives.in_batch and kind != "outfits":
            raise ValueError(f"negatives.in_batch is for negatives.kind outfits, got {kind}: leave it out")
        if self.contrastive is not None and self.contrastive.feature == "teacher" and self.teacher is None:
            raise ValueError("contrastive.feature teacher needs the section teacher")
        if self.model.codes == "zero_one":
            if self.encoder is not None or self.model.kind not in (None, "fhn"):
                raise ValueError("model.codes zero_one is an option of FHN: leave it out for other networks")
            if self.data.cold_users:
                raise ValueError(
                    "model.codes zero_one has no bundle, which finds the codes of new users: set data.cold_users "
                    "to 0, or model.codes to signs"
                )
        self._check_user()
        self._check_outfit()
        if self.contrastive is not None and self.train.batch_size == 1:
            raise ValueError("contrastive compares the outfits of a batch: train.batch_size must be at least 2, got 1")
        return self

    def _check_user(self) -> None:
        """Raises ValueError where users have no codes to keep in another form."""
        signs = self.encoder is None and self.model.kind in (None, "fhn") and self.model.codes == "signs"
        if self.user.code != "bits" and not signs:
            raise ValueError(
                f"user.code {self.user.code} is for FHN with codes of signs: set it to bits for other networks"
            )

    def _check_outfit(self) -> None:
        """Raises ValueError where outfits cannot have codes of their own."""
        if self.outfit is None:
            return
        if self.encoder is not None:
            raise ValueError("outfit: an outfit encoder has vectors of outfits and takes no own codes: leave one out")
        if self.negatives.kind != "outfits":
            raise ValueError(
                f"outfit needs negatives.kind outfits, got {self.negatives.kind}: mixes of items have no code of their "
                "own, so that any outfit that has one would win"
            )
        if self.teacher is not None:
            raise ValueError("outfit: a teacher weighs mixes of items, which have no code of their own: leave one out")
        if self.data.cold_users:
            raise ValueError("outfit: hidden users are fitted to items alone: set data.cold_users to 0")

    def to_yaml(self) -> str:
        """The whole configuration as YAML, defaults included; `load_config` reads it back."""
        unused: dict[str, Any] = {"data": self.data.unused}
        if self.recipe is None:
            unused["recipe"] = True
        for name, keys in _LEFT_OUT.items():
            if (section := getattr(self, name)) is not None:
                defaults = type(section).model_fields
                unused[name] = {key for key in keys if getattr(section, key) == defaults[key].default}
        if self.user == UserConfig():
            unused["user"] = True
        rates = {"outfit": {"outfit", "outfit_bias"}, "attributes": {"attributes_head"}}
        absent = [name for name in rates if getattr(self, name) is None]
        unused |= dict.fromkeys(absent, True)
        unused["optimiser"] = {"rates": set[str]().union(*(rates[name] for name in absent))}
        return yaml.safe_dump(self.model_dump(mode="json", exclude=unused), sort_keys=False)


def with_user_code(config: Config, code: str | None) -> Config:
    """The configuration with another user.code; the same one for None, or for the code that it has."""
    if code is None or code == config.user.code:
        return config
    return make_config({**config.model_dump(), "user": {"code": code}}, config.name)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads the configuration of an experiment on outfits.

    Args:
        path: a YAML file.
        overrides: changes of the form `section.key=value`, the value in YAML; later ones win.

    Raises:
        ConfigError: the file does not exist or is not YAML, a key is unknown, a value does not fit, or it is a
            configuration of requests.
    """
    config = load_experiment(path, overrides)
    if isinstance(config, RequestConfig):
        raise ConfigError(f"{path} is a configuration of requests (it has a section `requests`), not of outfits")
    return config


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Config | RequestConfig:
    """Reads the configuration of an experiment on outfits, or on requests if it has a section `requests`.

    Args:
        path: as for `load_config`.
        overrides: as for `load_config`.

    Raises:
        ConfigError: as for `load_config`.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            text = stream.read(4 * MOST_CHARACTERS + 1).decode("utf-8-sig")
    except FileNotFoundError:
        near = suggest(path.name, [file.name for file in path.parent.glob("*.yaml")] if path.parent.is_dir() else [])
        raise ConfigError(f"no configuration {path}{near}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold sections and keys with values, such as `name: my-run`")
    for override in overrides:
        _override(values, override)
    return make_request_config(values, str(path)) if "requests" in values else make_config(values, str(path))


def make_config(values: dict[str, Any], source: str = "configuration") -> Config:
    """A validated configuration of outfits from plain values.

    Args:
        values: sections and keys, as in the YAML file.
        source: where they come from, for messages.

    Raises:
        ConfigError: a key is unknown or missing, or a value does not fit; the message names every such key.

    Example:
        >>> data = {"format": "iqon3000", "root": "iqon3000"}
        >>> make_config({"name": "mine", "data": data, "id": {}}).modalities
        ('id',)
    """
    return validated(Config, values, source)


def make_request_config(values: dict[str, Any], source: str = "configuration") -> RequestConfig:
    """A validated configuration of requests from plain values.

    Args:
        values: as for `make_config`.
        source: as for `make_config`.

    Raises:
        ConfigError: as for `make_config`.
    """
    # a section without values is the section with its defaults
    return validated(RequestConfig, {**values, "requests": values.get("requests") or {}}, source)


def validated(config: type[AnyConfig], values: dict[str, Any], source: str, text: str | None = None) -> AnyConfig:
    """Values as a model, or a ConfigError that says in words what does not fit.

    Args:
        config: the model.
        values: as read from a file.
        source: the file, for messages.
        text: of the file, for the line of the first thing that does not fit; None for messages without a line.
    """
    try:
        return config.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        words = [_explain(dict(problem), config) for problem in problems[:_MOST_PROBLEMS]]
        if len(problems) > len(words):
            words.append(f"and {len(problems) - len(words):,} more problems")
        line = None if text is None else line_of(text, problems[0]["loc"])
        message = f"{source}{'' if line is None else f':{line}'}: {'; '.join(words)}"
    except (RecursionError, OverflowError) as error:
        message = f"{source}: {error}"
    raise ConfigError(message if len(message) <= _MOST_LETTERS else f"{message[: _MOST_LETTERS - 4]} ...")


# what pydantic says of a value, in words
_RULES = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "one of {expected}",
}


def _explain(problem: dict[str, Any], config: type[BaseModel]) -> str:
    parts = [_shortened(part) for part in problem["loc"]]
    key = ".".join(parts)
    if problem["type"] == "extra_forbidden":
        section = config
        for part in parts[:-1]:
            section = _section_type(section, part) or section
        return f"unknown key {key!r}{suggest(parts[-1], section.model_fields)}"
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    value = "" if isinstance(problem["input"], Mapping) else f", got {_shown(problem['input'])}"
    if problem["type"] in _RULES and key:
        limits = {
            name: f"{limit:,}" if isinstance(limit, int) else limit for name, limit in problem.get("ctx", {}).items()
        }
        return f"{key} must be {_RULES[problem['type']].format(**limits)}{value}"
    message = f"{_shortened(problem['msg'].removeprefix('Value error, '), 300)}{value}"
    return f"{key}: {message}" if key else message  # without a key: what sections say of each other


def _shown(value: object) -> str:
    """A value as Python writes it, cut to a few words."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    try:
        return short.repr(value)
    except ValueError:  # a number of thousands of digits
        return f"a very large {type(value).__name__}"


def _shortened(text: object, most: int = 80) -> str:
    words = str(text)
    return words if len(words) <= most else f"{words[:most]}..."


def _section_type(section: type[BaseModel], name: str) -> type[BaseModel] | None:
    field = section.model_fields.get(name)
    candidates = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((part for part in candidates if isinstance(part, type) and issubclass(part, BaseModel)), None)


def _override(values: dict[str, Any], override: str) -> None:
    source = f"--set {_shortened(override)!r}"
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > 5:
        raise ConfigError(f"{source}: write it as section.key=value")
    for position, part in enumerate(parts[:-1]):
        if values.get(part) is None:
            values[part] = {}
        values = values[part]
        if not isinstance(values, dict):
            raise ConfigError(f"{source}: {'.'.join(parts[: position + 1])} is a value, not a section")
    values[parts[-1]] = parse_yaml(text, source)
