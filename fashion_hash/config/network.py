"""Sections of a configuration that say what is known of items and which network it goes through."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fashion_hash.config.sections import Count, Positive, Section, Share


class DataConfig(Section):
    """Which data set: a format of fashion_hash.data.load and where it lies.

    Attributes:
        format: "polyvore_u" or "iqon3000".
        root: its folder, relative to the working directory.
        subset: a folder within, such as tuples_630.
        slots: item type of each slot, where the files do not say.
        cold_users: so many users are hidden from training altogether, chosen by the seed among those with
            five training outfits and a test outfit; evaluate measures them as new users.
    """

    format: str
    root: str
    subset: str | None = None
    slots: tuple[str, ...] | None = None
    cold_users: Annotated[int, Field(ge=0)] = 0


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


class CooccurrenceConfig(Section):
    """What the training split tells of an item: who wears it, and how often; for data with no content.

    Attributes:
        dim: length of the truncated SVD of users and items; eight statistics are put behind it.
        head: "linear" one layer, "fhn" the head of words.
    """

    dim: Count = 256
    head: Literal["fhn", "linear"] = "linear"


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
        kind: the network, by its name in the table of `fashion_hash.models.make`; None for the outfit encoder
            where there is a section `encoder`, else FHN.
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

    kind: str | None = None
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
        blocks: self-attention blocks; 0 for none.
        pooling: "attention" of one learned seed, or the plain "mean" of the items. With the mean and no blocks an
            outfit's vector is a sum over its items: far cheaper to train against shared negatives.
        feed_forward: width of the layer between the two of a block.
        dropout: behind each attention and feed-forward layer of the blocks.
        distance: "euclidean" (squared) or "cosine" (1 - cosine); "bits" have their own.
        scale: what distances are multiplied by, at the start or for ever.
        learn_scale: whether the scale is learned.
        bounded: tokens of items and vectors of users pass tanh: holds ids back from overfitting.
        output: "float" vectors, or "bits": relaxed as FHN's codes in training, signs in use, and the
            distance is the share of bits in which user and outfit differ.
    """

    width: Count = 128
    heads: Count = 4
    blocks: Annotated[int, Field(ge=0)] = 2
    pooling: Literal["attention", "mean"] = "attention"
    feed_forward: Count = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    distance: Literal["euclidean", "cosine"] = "euclidean"
    scale: Positive = 1.0
    learn_scale: bool = True
    bounded: bool = False
    output: Literal["float", "bits"] = "float"

    @model_validator(mode="after")
    def _check(self) -> EncoderConfig:
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} does not divide into {self.heads} heads")
        return self
