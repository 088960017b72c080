"""The sections of a configuration that name what is known of the items, and the network."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from fashion_hash.config.sections import Bits, Positive, Section, Share, Width


def true_or_false(value: object) -> object:
    """The words that YAML files and command lines use for true and false as such; other values as they are."""
    words: dict[object, bool] = {"true": True, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class ImageConfig(Section):
    """Pictures, turned into features by an encoder without weights, a torchvision network, or CLIP.

    Attributes:
        encoder: "descriptors" (needs no weights; scikit-image), or "open_clip/MODEL" such as "open_clip/ViT-B-32". If
            left out, the network of torchvision that `backbone` names.
        backbone: the torchvision name of the network, such as "alexnet" or "resnet34".
        weights: "hub" (the weights that torchvision publishes), "random", or a file (.pth or .safetensors); of CLIP
            also the name of published weights. `descriptors` has none.
        mode: "frozen" extracts the features once, into a store; "finetune" trains the backbone as well.
        size: pictures are resized to size x size pixels for a torchvision network.
        pooling: how AlexNet and VGG read pictures that are larger than 224 pixels: "adaptive" shrinks the last map to
            the size that their first linear layer takes, as torchvision does; "sliding" applies the linear layers at
            every place of the map and averages what comes out, as the FHN release does. Other networks always average
            over the map. Both give the same features from 224 to 254 pixels, and "sliding" reads no smaller pictures.
        store: the folder of the feature store of mode "frozen"; by default it lies inside the data root.
        normalise: how frozen features are normalised: "none", "l2" (unit length) or "standard" (mean 0, deviation 1).
        components: the head reads this many principal components of the frozen features, which makes training faster
            where features are long, and small data sets harder to learn by heart. If left out, it reads all features.
        head: the network from features to codes: "fhn" as in the FHN release (dropout, F -> F/2, ReLU, dropout,
            F/2 -> D), or "linear" (one layer).
        augment: how mode "finetune" changes pictures at random: "flip" mirrors half of them, as the FHN release does;
            "crop" shows a random part of each; true does both, false neither.
    """

    encoder: str | None = None
    backbone: str = "alexnet"
    weights: str = "hub"
    mode: Literal["frozen", "finetune"] = "frozen"
    size: Annotated[int, Field(ge=32, le=4096)] = 291
    pooling: Literal["adaptive", "sliding"] = "adaptive"
    store: str | None = None
    normalise: Literal["none", "l2", "standard"] = "none"
    components: Width | None = None
    head: Literal["fhn", "linear"] = "fhn"
    augment: Annotated[Literal[True, False, "flip", "crop"], BeforeValidator(true_or_false)] = True

    @model_validator(mode="after")
    def _check(self) -> ImageConfig:
        known = self.encoder in (None, "descriptors") or re.fullmatch(r"open_clip/.+", self.encoder or "")
        if not known:
            raise ValueError(
                f'encoder must be "descriptors" or "open_clip/MODEL", got {self.encoder!r}; torchvision networks are '
                "named by image.backbone"
            )
        if self.encoder is not None and self.mode == "finetune":
            raise ValueError(f"mode finetune trains a torchvision network, so it cannot use the encoder {self.encoder}")
        if self.components is not None and self.mode == "finetune":
            raise ValueError("components needs frozen features: leave it out, or set mode to frozen")
        return self


class TextConfig(Section):
    """Words, as vectors that come with the data set or are made from titles.

    Attributes:
        source: "vectors" (the data set's own) or "titles" (made from the titles by scikit-learn).
        dim: length of the vectors made from titles.
        normalise: how the vectors are normalised: "none", "l2" (unit length) or "standard" (mean 0, deviation 1).
        components: the head reads this many principal components of the vectors; all of the vectors if left out.
        head: the network from vectors to codes: "fhn" as in the FHN release (F -> 1024, ReLU, dropout, 1024 -> D),
            or "linear" (one layer).
    """

    source: Literal["vectors", "titles"] = "vectors"
    dim: Width = 256
    normalise: Literal["none", "l2", "standard"] = "none"
    components: Width | None = None
    head: Literal["fhn", "linear"] = "fhn"


class CooccurrenceConfig(Section):
    """What the training split tells about an item: who wears it and how often. For data without pictures and words.

    Attributes:
        dim: length of the truncated SVD of the user-item matrix; eight statistics of the item are appended.
        head: the network from features to codes: "linear" (one layer), or "fhn" (as for words).
    """

    dim: Width = 256
    head: Literal["fhn", "linear"] = "linear"


class AttributesConfig(Section):
    """Columns of the catalogue: numbers, dates, true and false, texts and lists of texts. An item needs no picture.

    Attributes:
        columns: the names of the columns; if left out, all that tell items apart, except title, description and image.
        id_number: whether the number that an item's id is counts as a column. Where a shop numbers items as they come,
            that is their age; ids that are not numbers say nothing.
        quantiles: into how many quantiles of the training items numbers are divided, at most.
        categories: how many values of a column of texts have a feature each, at most; the most frequent ones.
        head: the network from features to codes: "linear" (one layer), or "fhn" (as for words).
    """

    columns: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] | None = None
    id_number: bool = False
    quantiles: Annotated[int, Field(ge=0, le=1024)] = 32
    categories: Width = 100
    head: Literal["fhn", "linear"] = "linear"

    @model_validator(mode="after")
    def _check(self) -> AttributesConfig:
        if self.columns == () and not self.id_number:
            raise ValueError("columns is empty: name at least one column, or leave the key out for all of them")
        return self


class IdConfig(Section):
    """A learned embedding of each item. For data without pictures and words.

    Attributes:
        hide: the share of items in a batch that are replaced by the "unknown item" of their type, so that items never
            seen in training get a code that was trained for them. One number for all types, or one for each type.
        init_std: standard deviation of the embeddings before training.
    """

    hide: Share | dict[str, Share] = 0.0
    init_std: Positive = 0.01


class OutfitConfig(Section):
    """What outfits of the training split have beside their items, for logs in which the same outfits come again.

    Attributes:
        code: whether each has a code of its own, which counts in the preference beside those of its items.
        bias: whether each has a bias of its own: its popularity.
        hide: the share of outfits that a training step shows without them, so that outfits that training did not see
            are answered well by their items alone.
        weight: the value of all bit weights of own codes before training.
        init_std: standard deviation of own codes before training.
    """

    code: bool = True
    bias: bool = True
    hide: Annotated[float, Field(ge=0, lt=1)] = 0.1
    weight: Positive = 1.0
    init_std: Positive = 0.01

    @model_validator(mode="after")
    def _check(self) -> OutfitConfig:
        if not (self.code or self.bias):
            raise ValueError("give outfits a code, a bias or both: set code or bias to true, or leave the section out")
        return self


class UserConfig(Section):
    """The codes of users, which may be longer than those of items: one user is read where many items are.

    Attributes:
        code: what is kept of each of the D numbers of a user: "bits" the sign, "bytes" the number in steps of 1/127, or
            "floats" all of it, which is 8 and 32 times as long as bits. Items stay bits, and search stays exact.
            Training is the same but for validation, which measures this form: for a finished run,
            `build-index --user-code bytes` does it. Other forms than bits are for FHN with codes of signs.
    """

    code: Literal["bits", "bytes", "floats"] = "bits"


FLOATS = frozenset({"linear", "fhn_floats"})
"""The values of `model.kind` whose vectors stay floats."""


class ModelConfig(Section):
    """The matching model of FHN (Lu et al., CVPR 2019).

    Attributes:
        kind: the network, by its name in the table of `fashion_hash.models.make`. If left out, it is the outfit
            encoder where there is a section `encoder`, else FHN. "fhn_floats" is FHN without tanh and signs: it is no
            bundle, but what codes approximate, and a teacher for them.
        num_bits: D, the length of the codes; a multiple of 8.
        codes: the two values of a bit: "signs" (-1 and +1), or "zero_one" (0 and 1, with relaxed codes
            (tanh(beta * x) + 1) / 2), an option of the FHN release. The score is the same formula over other values.
            Codes of 0 and 1 are for training and evaluation: a bundle holds signs, so it refuses them.
        variant: which bit weights are learned: "T0" none, but a scalar on the preference; "T1" the user-item weights;
            "T2" the item-item weights; "T3" both.
        terms: "both", or one term alone ("preference" or "compatibility"), for ablations.
        user_weight: the value of all user-item bit weights before training; it stays where they are not learned.
            The release uses 1.
        item_weight: the same for the item-item bit weights.
        shared_head: whether all item types share one hash head.
        repeat_empty: whether an empty slot repeats the first item of its type, as in the release; otherwise empty
            slots are masked.
        item_bias: whether each item has a learned bias (its popularity).
        dropout: the share of units that the hash heads drop in training.
        code_dropout: the share of the numbers of items' codes that training drops (FHN).
        user_init_std: standard deviation of the user embeddings before training.
    """

    kind: str | None = None
    num_bits: Bits = 128
    codes: Literal["signs", "zero_one"] = "signs"
    variant: Literal["T0", "T1", "T2", "T3"] = "T3"
    terms: Literal["both", "preference", "compatibility"] = "both"
    user_weight: Positive = 1.0
    item_weight: Positive = 1.0
    shared_head: bool = False
    repeat_empty: bool = False
    item_bias: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    code_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    user_init_std: Positive = 0.01


class EncoderConfig(Section):
    """The outfit encoder (a set transformer), which takes the place of FHN.

    The length of its vectors is `model.num_bits`; of the section `model` it also uses shared_head, item_bias,
    dropout (of the feature networks) and user_init_std.

    Attributes:
        width: length of an item's token. If it equals num_bits, the encoder starts as the plain mean of the items.
        heads: attention heads; they must divide the width.
        blocks: number of self-attention blocks; 0 for none.
        pooling: how the tokens become one vector: "attention" (with one learned query) or "mean". With "mean" and no
            blocks, an outfit's vector is a sum over its items, which makes shared negatives far cheaper.
        feed_forward: width of the hidden layer within a block.
        dropout: the share of units dropped behind each attention and feed-forward layer of the blocks.
        distance: "euclidean" (squared) or "cosine" (1 - cosine). Not used when the output is "bits".
        scale: the factor that distances are multiplied by; the value before training if it is learned.
        learn_scale: whether the scale is learned.
        bounded: whether item tokens and user vectors pass through tanh, which keeps ids from overfitting.
        output: "float" vectors, or "bits": relaxed codes in training, binary codes in use, and the distance is the
            share of bits in which user and outfit differ.
        anchors: how many vectors a user is, each of them a taste of its own; the score is that of the nearest ones, a
            log-sum-exp over them. More than 1 is LPAE-u (Lu et al., CVPR 2021), for output "float" only: a model to
            compare with and to learn from, which cannot be exported.
    """

    width: Width = 128
    heads: Width = 4
    blocks: Annotated[int, Field(ge=0, le=100)] = 2
    pooling: Literal["attention", "mean"] = "attention"
    feed_forward: Width = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    distance: Literal["euclidean", "cosine"] = "euclidean"
    scale: Positive = 1.0
    learn_scale: bool = True
    bounded: bool = False
    output: Literal["float", "bits"] = "float"
    anchors: Annotated[int, Field(ge=1, le=1024)] = 1

    @model_validator(mode="after")
    def _check(self) -> EncoderConfig:
        if self.anchors > 1 and self.output == "bits":
            raise ValueError(f"anchors above 1 need output float, got {self.anchors} anchors and output bits")
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got width {self.width} and heads {self.heads}")
        return self
