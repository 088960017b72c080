"""The configuration of requests: words and taste against items (WhisperLite, Sevegnani et al., 2022)."""

from __future__ import annotations

from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator

from fashion_hash.config.sections import Count, NotNegative, Positive, Section, Share
from fashion_hash.config.training import ScheduleConfig


class RequestDataConfig(Section):
    """Which requests: a format of fashion_hash.data.requests.load and where it lies; see `load_requests`.

    Attributes:
        format: such as "amazon_reviews".
        root: a file or a folder, relative to the working directory.
        metadata: what is known of the items, where it does not lie beside the root.
        subset, slots: of made requests: those of the data set of outfits.
        seed: of the order of events of one moment, and of requests that are made.
        per_outfit: of made requests: how many items of an outfit are asked for, each at another time.
        copies: what becomes of copies of a held-out review: they are left out ("drop"), or stay in the taste
            without their words ("blank").
        min_rating: reviews of fewer stars are left out.
        min_events: people with fewer events are left out.
    """

    format: str
    root: str
    metadata: str | None = None
    subset: str | None = None
    slots: tuple[str, ...] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    per_outfit: Count = 3
    copies: Literal["drop", "blank"] = "drop"
    min_rating: float | None = None
    min_events: Count = 1


class TextEncoderConfig(Section):
    """How texts, and with CLIP pictures, become vectors (fashion_hash.encoders).

    Attributes:
        kind: "words" needs no weights; "sentence_transformers" and "open_clip" are pretrained.
        model: of a pretrained one: a folder, an installed package that holds one, or the model's name.
        weights: of open_clip: a file, or the name of published weights; a model "local-dir:..." holds its own.
        dim: of "words": the length of its vectors at most.
        pictures: of open_clip: items are their words and their picture.
        store: where vectors are kept, so that nothing is encoded twice; by default they are not.
    """

    kind: Literal["words", "sentence_transformers", "open_clip"] = "words"
    model: str | None = None
    weights: str | None = None
    dim: Count = 256
    pictures: bool = False
    store: str | None = None

    @model_validator(mode="after")
    def _check(self) -> TextEncoderConfig:
        if self.kind != "words" and self.model is None:
            raise ValueError(f"kind {self.kind} needs the key model")
        if self.kind == "open_clip" and self.weights is None and ":" not in str(self.model):  # hf-hub: and local-dir:
            raise ValueError("kind open_clip needs the key weights: a file, or the name of published weights")
        if self.pictures and self.kind != "open_clip":
            raise ValueError(f"pictures need the kind open_clip, not {self.kind}")
        return self


class RequestModelConfig(Section):
    """The two towers.

    Attributes:
        num_bits: D, a multiple of 8.
        output: "bits" (tanh in training, growing steeper; signs in use) or "float" (unit vectors), for comparison.
        hidden: H of the layers of both towers.
        taste: the "mean" of what somebody engaged with (new people work), a learned "embedding" of each
            person, or "both".
        taste_before: in training, only what somebody engaged with earlier makes their taste; otherwise all
            but the event itself, and copies of its review on other items.
        most_events: of one person, the latest that make the taste.
        item_embedding: a learned embedding of each item beside its description.
        hide_items: how often an item is hidden in training behind the unknown item, so that new items have
            a code that was trained for them.
        dropout: of the hidden layers.
    """

    num_bits: Annotated[int, Field(ge=8, multiple_of=8)] = 128
    output: Literal["bits", "float"] = "bits"
    hidden: Count = 256
    taste: Literal["mean", "embedding", "both"] = "mean"
    taste_before: bool = False
    most_events: Count = 200
    item_embedding: bool = True
    hide_items: Share = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


class MaskingConfig(Section):
    """How often, in training, a request loses its words, or its taste; never both. Text only and user only
    are then questions that the same model was trained for."""

    text: Share = 0.25
    taste: Share = 0.25

    @model_validator(mode="after")
    def _check(self) -> MaskingConfig:
        if self.text + self.taste > 1:
            raise ValueError(f"shares {self.text} and {self.taste} are more than 1 together")
        return self


class RequestLossConfig(Section):
    """What is minimised: bce * BCE(engaged, sampled negatives) + contrastive * symmetric InfoNCE over the batch.

    Attributes:
        bce, contrastive: the weights.
        negatives: items drawn for each batch; fewer where the catalogue is smaller.
        popularity: how much of an item's popularity in training the scores may hold: 1 all of it, as
            p(item | request) does; 0 none, what is asked for seldom is then as near as what everybody asks for.
        temperature: of the scores at the start; it is learned.
    """

    bce: NotNegative = 1.0
    contrastive: NotNegative = 1.0
    negatives: Count = 128
    popularity: Share = 1.0
    temperature: Positive = 0.1

    @model_validator(mode="after")
    def _check(self) -> RequestLossConfig:
        if not self.bce and not self.contrastive:
            raise ValueError("bce and contrastive are both 0: nothing is minimised")
        return self


class RequestRates(Section):
    """Learning rate of each named part of the model."""

    text: NotNegative = 1e-3
    towers: NotNegative = 1e-3
    item: NotNegative = 3e-3
    user: NotNegative = 3e-3
    temperature: NotNegative = 1e-2


class RequestOptimiserConfig(Section):
    """As `OptimiserConfig`, with the parts of the request model."""

    kind: Literal["sgd", "adam"] = "adam"
    rates: RequestRates = RequestRates()
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    row_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NotNegative = 1e-4
    schedule: ScheduleConfig = ScheduleConfig(kind="cosine")


class RequestTrainConfig(Section):
    """The loop.

    Attributes:
        epochs, batch_size: as ever. A review that stands on several items is one request an epoch, for one
            of its items, drawn anew.
        steps: an epoch has so many steps at least; where the data are small it goes through them several times.
        descriptions: how many of a batch's requests are made from what describes an item, as a share of its
            logged requests; items are drawn evenly, so that those that nobody asked for are learned too.
        continuation: gamma in beta = sqrt(gamma * epoch + 1), the slope of tanh(beta * x).
        signs_from: from this share of the epochs on the loss is of the binary codes, with the gradient of the
            relaxed ones; 1 is continuation alone, as FHN has it.
        device: "auto" takes the first GPU if there is one.
        select: the epoch that answers is the "best" by validation, or the "last"; it is the last where there
            are fewer than `select_from` validation requests to tell epochs apart.
        patience: training ends after so many epochs without a better one, where the best one answers; null
            goes through all epochs.
    """

    epochs: Count = 30
    batch_size: Count = 256
    continuation: NotNegative = 1.0
    signs_from: Share = 1.0
    device: str = "auto"
    steps: Count = 1
    descriptions: Annotated[float, Field(ge=0, le=4)] = 0.5
    select: Literal["best", "last"] = "best"
    select_from: Count = 100
    patience: Count | None = 5


class RequestConfig(Section):
    """One experiment on requests; a file with a section `requests` is one.

    Attributes:
        outfits: a finished run on outfits of the same items: its bundle answers requests with outfits. None
            for items alone.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 0
    data: RequestDataConfig
    encoder: TextEncoderConfig = TextEncoderConfig()
    requests: RequestModelConfig = RequestModelConfig()
    masking: MaskingConfig = MaskingConfig()
    loss: RequestLossConfig = RequestLossConfig()
    optimiser: RequestOptimiserConfig = RequestOptimiserConfig()
    train: RequestTrainConfig = RequestTrainConfig()
    outfits: str | None = None

    def to_yaml(self) -> str:
        """The whole configuration as YAML, defaults written out; `load_experiment` reads it back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
