"""One YAML file is one complete experiment; this module is the only reader of YAML.

Every section is frozen and validated; an unknown key is an error that names the nearest known one.
Numbers such as 1e-3, which YAML 1.1 takes for text, are read as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from fashion_hash.config.network import (
    CooccurrenceConfig,
    DataConfig,
    EncoderConfig,
    IdConfig,
    ImageConfig,
    ModelConfig,
    TextConfig,
)
from fashion_hash.config.requests import RequestConfig
from fashion_hash.config.sections import Section
from fashion_hash.config.training import (
    ContrastiveConfig,
    LossConfig,
    NegativesConfig,
    OptimiserConfig,
    TeacherConfig,
    TrainConfig,
)
from fashion_hash.errors import ConfigError, suggest

AnyConfig = TypeVar("AnyConfig", bound=BaseModel)


MODALITIES = ("image", "text", "cooccurrence", "id")


class Config(Section):
    """One experiment. At least one of the modalities image, text, cooccurrence and id must be given.

    The network is FHN, or with a section `encoder` the outfit encoder.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 0
    data: DataConfig
    image: ImageConfig | None = None
    text: TextConfig | None = None
    cooccurrence: CooccurrenceConfig | None = None
    id: IdConfig | None = None
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
        """The names of the modalities in use, in the order of the codes."""
        return tuple(name for name in MODALITIES if getattr(self, name) is not None)

    def head(self, modality: str) -> str:
        """The form of a content modality's hash heads."""
        section = {"image": self.image, "text": self.text, "cooccurrence": self.cooccurrence}[modality]
        assert section is not None
        return section.head

    @model_validator(mode="after")
    def _check(self) -> Config:
        if not self.modalities:
            raise ValueError("no modality: give one of the sections image, text, cooccurrence, id")
        shared = self.negatives.kind == "shared"
        if self.teacher is not None and self.teacher.per_positive is not None and not shared:
            raise ValueError(
                "teacher.per_positive goes with negatives.kind shared; "
                f"of kind {self.negatives.kind} the teacher weighs the negatives.per_positive of each positive"
            )
        if self.contrastive is not None and self.contrastive.feature == "teacher" and self.teacher is None:
            raise ValueError("contrastive.feature teacher needs the section teacher")
        if self.contrastive is not None and self.train.batch_size == 1:
            raise ValueError("contrastive compares the outfits of a batch with each other: train.batch_size 1 has none")
        return self

    def to_yaml(self) -> str:
        """The whole configuration as YAML, defaults written out; `load_config` reads it back."""
        # left out where it is not given: files that are named after a digest of this text then keep their names
        unused = {"model": {"kind"}} if self.model.kind is None else None
        return yaml.safe_dump(self.model_dump(mode="json", exclude=unused), sort_keys=False)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration of outfits.

    Args:
        path: a YAML file.
        overrides: `a.b=value` each, the value in YAML; later ones win.

    Raises:
        ConfigError: no such file, no YAML, an unknown key or a value that does not fit, or a
            configuration of requests.
    """
    config = load_experiment(path, overrides)
    if isinstance(config, RequestConfig):
        raise ConfigError(f"{path} is a configuration of requests (section `requests`), not one of outfits")
    return config


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Config | RequestConfig:
    """Reads a configuration of outfits, or of requests: a file with a section `requests` is one.

    Arguments and errors as for `load_config`.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = suggest(path.name, [one.name for one in path.parent.glob("*.yaml")] if path.parent.is_dir() else [])
        raise ConfigError(f"no configuration {path}{near}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    values = _parse(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no mapping of keys to values")
    for override in overrides:
        _override(values, override)
    return make_request_config(values, str(path)) if "requests" in values else make_config(values, str(path))


def make_config(values: dict[str, Any], source: str = "configuration") -> Config:
    """A validated Config from plain values. Raises ConfigError naming every key that is wrong.

    Example:
        >>> data = {"format": "iqon3000", "root": "iqon3000"}
        >>> make_config({"name": "mine", "data": data, "id": {}}).modalities
        ('id',)
    """
    return _validated(Config, values, source)


def make_request_config(values: dict[str, Any], source: str = "configuration") -> RequestConfig:
    """A validated RequestConfig from plain values. Raises ConfigError naming every key that is wrong."""
    # a section that is there without values is the section of the defaults
    return _validated(RequestConfig, {**values, "requests": values.get("requests") or {}}, source)


def _validated(kind: type[AnyConfig], values: dict[str, Any], source: str) -> AnyConfig:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [_explain(dict(problem), kind) for problem in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(problems)) from None


def _explain(problem: dict[str, Any], config: type[BaseModel]) -> str:
    where = [str(part) for part in problem["loc"]]
    key = ".".join(where) or "configuration"
    if problem["type"] == "extra_forbidden":
        section = config
        for part in where[:-1]:
            section = _section_type(section, part) or section
        return f"unknown key {key!r}{suggest(where[-1], section.model_fields)}"
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    given = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
    return f"{key}: {problem['msg'].removeprefix('Value error, ')}{given}"


def _section_type(section: type[BaseModel], name: str) -> type[BaseModel] | None:
    field = section.model_fields.get(name)
    candidates = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {override!r}: write it as section.key=value")
    for position, part in enumerate(parts[:-1]):
        if values.get(part) is None:
            values[part] = {}
        values = values[part]
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override!r}: {'.'.join(parts[: position + 1])} is a value, not a section")
    values[parts[-1]] = _parse(text, f"--set {override!r}")


class _Loader(yaml.SafeLoader):
    """YAML's safe loader with numbers as YAML 1.2 has them, and no key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{source}{line}: no valid YAML: {getattr(error, 'problem', error)}") from None
