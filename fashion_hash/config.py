"""One YAML file is one complete experiment; this module is the only reader of YAML.

Every section is frozen and validated; an unknown key is an error that names the nearest known one.
Numbers such as 1e-3, which YAML 1.1 takes for text, are read as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fashion_hash.errors import ConfigError, suggest

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the configuration: frozen, no unknown keys, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """Which data set: a format of fashion_hash.data.load and where it lies.

    Attributes:
        format: "polyvore_u" or "iqon3000".
        root: its folder, relative to the working directory.
        subset: a folder within, such as tuples_630.
        slots: item type of each slot, where the files do not say.
    """

    format: str
    root: str
    subset: str | None = None
    slots: tuple[str, ...] | None = None


class ImageConfig(Section):
    """Pictures through a torchvision backbone.

    Attributes:
        backbone: its torchvision name, such as alexnet or resnet34.
        weights: "hub" (torchvision's own), "random", or a file (.pth state dict or .safetensors).
        mode: "frozen" extracts features once to a store; "finetune" trains the backbone as well.
        size: pictures are resized to size x size pixels.
        store: the feature store of mode frozen; by default inside the data root.
        normalise: what is done to frozen features: "none", "l2" or "standard".
        head: "fhn" is the release's (dropout, F -> F/2, ReLU, dropout, -> D), "linear" one layer.
        augment: random crops and flips in mode finetune.
    """

    backbone: str = "alexnet"
    weights: str = "hub"
    mode: Literal["frozen", "finetune"] = "frozen"
    size: Annotated[int, Field(ge=32)] = 291
    store: str | None = None
    normalise: Literal["none", "l2", "standard"] = "none"
    head: Literal["fhn", "linear"] = "fhn"
    augment: bool = True


class TextConfig(Section):
    """Words: given vectors, or titles through scikit-learn.

    Attributes:
        source: "vectors" (the data set's own) or "titles".
        dim: length of the vectors made from titles.
        normalise: what is done to the vectors: "none", "l2" or "standard".
        head: "fhn" is the release's (F -> 1024, ReLU, dropout, -> D), "linear" one layer.
    """

    source: Literal["vectors", "titles"] = "vectors"
    dim: Count = 256
    normalise: Literal["none", "l2", "standard"] = "none"
    head: Literal["fhn", "linear"] = "fhn"


class IdConfig(Section):
    """A learned embedding an item, for data with no content.

    Attributes:
        hide: how often an item is hidden in training behind the "unknown item" of its type, so
            that items never seen in training have a code that was trained for them: one share
            for all types, or one by type.
        init_std: standard deviation of the embeddings at the start.
    """

    hide: Share | dict[str, Share] = 0.0
    init_std: Positive = 0.01


class ModelConfig(Section):
    """The FHN matching model (Lu et al., CVPR 2019).

    Attributes:
        num_bits: D, a multiple of 8.
        variant: T0 no bit weights and a learned scalar on the preference, T1 user-item weights,
            T2 item-item weights, T3 both.
        terms: "both", or one term alone (the ablations).
        user_weight, item_weight: the value of all user-item and item-item bit weights at the start;
            it stays where the variant does not learn them. The release starts both at 1.
        shared_head: one hash head for all item types.
        repeat_empty: an empty slot repeats the first item of its type, as the release does;
            otherwise empty slots are masked.
        item_bias: a learned popularity number an item.
        dropout: of the hash heads.
        user_init_std: standard deviation of the user embeddings at the start.
    """

    num_bits: Annotated[int, Field(ge=8, multiple_of=8)] = 128
    variant: Literal["T0", "T1", "T2", "T3"] = "T3"
    terms: Literal["both", "preference", "compatibility"] = "both"
    user_weight: Positive = 1.0
    item_weight: Positive = 1.0
    shared_head: bool = False
    repeat_empty: bool = False
    item_bias: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    user_init_std: Positive = 0.01


class EncoderConfig(Section):
    """The outfit encoder (set transformer) in the place of FHN; model.num_bits is the length of its vectors.

    Of `model` it takes num_bits, shared_head, item_bias, dropout (of the feature networks) and user_init_std.

    Attributes:
        width: of an item's token; equal to num_bits it starts as the plain mean of the items.
        heads: of each attention; they divide the width.
        blocks: self-attention blocks.
        feed_forward: width of the layer between the two of a block.
        dropout: behind each attention and feed-forward layer of the blocks.
        distance: "euclidean" (squared) or "cosine" (1 - cosine); "bits" have their own.
        scale: what distances are multiplied by, at the start or for ever.
        learn_scale: whether the scale is learned.
        output: "float" vectors, or "bits": relaxed as FHN's codes in training, signs in use, and the
            distance is the share of bits in which user and outfit differ.
    """

    width: Count = 128
    heads: Count = 4
    blocks: Count = 2
    feed_forward: Count = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    distance: Literal["euclidean", "cosine"] = "euclidean"
    scale: Positive = 1.0
    learn_scale: bool = True
    output: Literal["float", "bits"] = "float"

    @model_validator(mode="after")
    def _check(self) -> EncoderConfig:
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} does not divide into {self.heads} heads")
        return self


class LossConfig(Section):
    """What is minimised: BPR + cross_modal * the hinge between modalities.

    Attributes:
        cross_modal: weight of the cross-modal loss; used where there are two content modalities.
        margin: of the cross-modal loss.
    """

    cross_modal: NotNegative = 0.1
    margin: Positive = 0.1


class NegativesConfig(Section):
    """Negative outfits, drawn anew each epoch from the seed.

    Attributes:
        kind: "random" mixes, "hard" (another user's positive), "mixed", "fixed" (the files'), or
            "shared": each step draws items of one slot and every positive of the batch is compared
            with itself with that slot's item replaced by each of them.
        per_positive: negatives drawn for each positive; of "shared", drawn for the whole batch.
        items_a_batch: of "random": the negatives of a batch are mixed from this many items of each
            type, drawn anew for each batch, so that fewer items have to be hashed; None draws each by
            itself.
        swap: the item types that a random negative replaces; None for all of them.
        popularity: random items are drawn in proportion to count ** popularity; 0 is uniform.
        hard_share: of "mixed": the share of hard negatives in the first and in the last epoch.
        file: of "fixed": which file's negatives, such as "random" or "hard".
    """

    kind: Literal["random", "hard", "mixed", "fixed", "shared"] = "random"
    per_positive: Count = 1
    items_a_batch: Count | None = None
    swap: tuple[str, ...] | None = None
    popularity: NotNegative = 0.0
    hard_share: tuple[Share, Share] = (0.0, 0.5)
    file: str = "random"


class ScheduleConfig(Section):
    """How the learning rates change: one factor for all parts.

    Attributes:
        kind: "constant"; "step" (times `factor` after every `step` epochs); "plateau" (times
            `factor` when the validation AUC has not risen for `patience` epochs); "cosine"
            (from 1 towards 0 over all epochs).
    """

    kind: Literal["constant", "step", "plateau", "cosine"] = "constant"
    step: Count = 30
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Count = 5


class RatesConfig(Section):
    """Learning rate of each named part of the model."""

    user: NotNegative = 10.0
    backbone: NotNegative = 1e-3
    image_head: NotNegative = 1e-2
    text_head: NotNegative = 1e-2
    encoder: NotNegative = 1e-3
    id: NotNegative = 10.0
    bit_weights: NotNegative = 0.1
    item_bias: NotNegative = 0.1


class OptimiserConfig(Section):
    """SGD with momentum, or Adam; learning rates by part; weight decay for embeddings and heads.

    Attributes:
        momentum: of SGD, and the first moment's decay of Adam.
        row_momentum: the first moment's decay of Adam in the rows of embeddings, which are updated
            only when they occur; 0 leaves out the memory of steps long past.
    """

    kind: Literal["sgd", "adam"] = "sgd"
    rates: RatesConfig = RatesConfig()
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    row_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NotNegative = 1e-6
    schedule: ScheduleConfig = ScheduleConfig()


class TrainConfig(Section):
    """The loop.

    Attributes:
        epochs, batch_size: as ever.
        continuation: gamma in beta = sqrt(gamma * epoch + 1), the slope of tanh(beta * x).
        device: "auto" takes the first GPU if there is one.
        precision: "bf16" uses autocast on a GPU; "fp32" does not.
        workers: threads that decode pictures in mode finetune.
        start: a run folder whose model this run starts from, such as the one trained on the
            users of tuples_630 for the new users of tuples_53.
        parts: the parts that are trained; None for all. With `start` and parts [user] only the
            codes of users are fitted.
    """

    epochs: Count = 100
    batch_size: Count = 64
    continuation: NotNegative = 1.0
    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    workers: Count = 2
    start: str | None = None
    parts: (
        tuple[Literal["user", "backbone", "image_head", "text_head", "encoder", "id", "bit_weights", "item_bias"], ...]
        | None
    ) = None


class Config(Section):
    """One experiment. At least one of the modalities image, text and id must be given.

    The network is FHN, or with a section `encoder` the outfit encoder.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 0
    data: DataConfig
    image: ImageConfig | None = None
    text: TextConfig | None = None
    id: IdConfig | None = None
    model: ModelConfig = ModelConfig()
    encoder: EncoderConfig | None = None
    loss: LossConfig = LossConfig()
    negatives: NegativesConfig = NegativesConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    train: TrainConfig = TrainConfig()

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities in use, in the order of the codes."""
        return tuple(name for name in ("image", "text", "id") if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _check(self) -> Config:
        if not self.modalities:
            raise ValueError("no modality: give one of the sections image, text, id")
        return self

    def to_yaml(self) -> str:
        """The whole configuration as YAML, defaults written out; `load_config` reads it back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration.

    Args:
        path: a YAML file.
        overrides: `a.b=value` each, the value in YAML; later ones win.

    Raises:
        ConfigError: no such file, no YAML, an unknown key or a value that does not fit.
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
    return make_config(values, str(path))


def make_config(values: dict[str, Any], source: str = "configuration") -> Config:
    """A validated Config from plain values. Raises ConfigError naming every key that is wrong."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = [_explain(dict(problem)) for problem in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(problems)) from None


def _explain(problem: dict[str, Any]) -> str:
    where = [str(part) for part in problem["loc"]]
    key = ".".join(where) or "configuration"
    if problem["type"] == "extra_forbidden":
        section: type[BaseModel] = Config
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
