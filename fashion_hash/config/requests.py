"""The configuration of a model of requests: words and taste against items (WhisperLite, Sevegnani et al., 2022)."""

from __future__ import annotations

from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator

from fashion_hash.config.sections import Bits, Count, Name, NotNegative, Positive, Section, Seed, Share, Width
from fashion_hash.config.training import ScheduleConfig


class RequestDataConfig(Section):
    """Which requests to read.

    Attributes:
        format: "amazon_reviews", "yelp" or "request_table"; or a format of outfits, whose titles become requests.
        root: the file, or the folder that holds it, relative to the working directory.
        metadata: the file that describes the items; by default it is looked for beside the requests.
        subset: requests made from outfits: the subset of the data set of outfits.
        slots: requests made from outfits: the item type of each column, for files without a header line.
        seed: fixes the order of events of the same moment, and the requests that are made from outfits.
        per_outfit: requests made from outfits: how many items of each outfit are asked for.
        typed: requests made from outfits: the share of the training requests in the words that users type into a search
            field ("red skirt", "heels under 80") instead of sentences.
        copies: copies of a held-out review are left out ("drop"), or stay part of the taste without their words
            ("blank").
        min_rating: reviews with fewer stars, or without stars, are left out.
        min_events: users with fewer events are left out.
        suppressed: a list of removed users (`fashion-hash forget --run`), whose requests are left out.
    """

    format: str
    root: str
    metadata: str | None = None
    subset: str | None = None
    slots: tuple[str, ...] | None = None
    seed: Seed = 0
    per_outfit: Count = 3
    typed: Share = 0.0
    copies: Literal["drop", "blank"] = "drop"
    min_rating: float | None = None
    min_events: Count = 1
    suppressed: str | None = None


class TextEncoderConfig(Section):
    """How texts (and with CLIP, pictures) become vectors.

    Attributes:
        kind: "words" needs no pretrained weights; "sentence_transformers" and "open_clip" are pretrained.
        model: for the pretrained kinds: a folder, an installed package that holds the model, or the model's name.
        weights: for "open_clip": a file, or the name of published weights. Not needed for a model "local-dir:...",
            which holds its own.
        dim: for "words": the greatest length of the vectors.
        pictures: for "open_clip": whether items are described by their picture as well as by their words.
        store: a folder that keeps the vectors, so that nothing is encoded twice; by default they are not kept.
    """

    kind: Literal["words", "sentence_transformers", "open_clip"] = "words"
    model: str | None = None
    weights: str | None = None
    dim: Width = 256
    pictures: bool = False
    store: str | None = None

    @model_validator(mode="after")
    def _check(self) -> TextEncoderConfig:
        if self.kind != "words" and self.model is None:
            raise ValueError(f"kind {self.kind} needs the key `model`: a folder, a package or a model's name")
        if self.kind == "open_clip" and self.weights is None and ":" not in str(self.model):  # hf-hub: and local-dir:
            raise ValueError("kind open_clip needs the key `weights`: a file, or the name of published weights")
        if self.pictures and self.kind != "open_clip":
            raise ValueError(f"pictures need kind open_clip, got kind {self.kind}")
        return self


class RequestModelConfig(Section):
    """The two towers: one for words and taste, one for items.

    Attributes:
        num_bits: D, the length of the codes; a multiple of 8.
        output: "bits" (relaxed codes that grow steeper in training, binary ones in use), or "float" (unit vectors),
            for comparison.
        hidden: H, the width of the hidden layers of both towers.
        taste: what a user's taste is: the "mean" of the items they took (works for new users), a learned "embedding"
            of each user, or "both".
        taste_before: in training, whether only items taken earlier make up the taste. Otherwise all others do, except
            copies of the same review on other items.
        most_events: how many of a user's latest events make up the taste.
        item_embedding: whether each item has a learned embedding beside its description.
        hide_items: the share of items in a batch that are replaced by the unknown item, so that new items get a code
            that was trained for them.
        dropout: the share of units that the hidden layers drop in training.
    """

    num_bits: Bits = 128
    output: Literal["bits", "float"] = "bits"
    hidden: Width = 256
    taste: Literal["mean", "embedding", "both"] = "mean"
    taste_before: bool = False
    most_events: Count = 200
    item_embedding: bool = True
    hide_items: Share = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


class MaskingConfig(Section):
    """How often a request loses its words or its taste in training, so that the model can answer with either alone.

    A request never loses both, so the two shares are at most 1 together.

    Attributes:
        text: the share of requests that lose their words.
        taste: the share of requests that lose their taste.
    """

    text: Share = 0.25
    taste: Share = 0.25

    @model_validator(mode="after")
    def _check(self) -> MaskingConfig:
        if self.text + self.taste > 1:
            raise ValueError(f"text and taste must be at most 1 together, got {self.text} and {self.taste}")
        return self


class RequestLossConfig(Section):
    """What is minimised: bce * BCE(taken, sampled negatives) + contrastive * symmetric InfoNCE over the batch.

    Attributes:
        bce: weight of the binary cross-entropy.
        contrastive: weight of InfoNCE.
        negatives: how many items are drawn for each batch; all of them if the catalogue is smaller.
        popularity: how much of an item's popularity the scores contain: with 1 all of it, as in p(item | request); with
            0 none, so that an item that is rarely asked for ranks as high as one that everyone asks for.
        temperature: temperature of the scores before training; it is learned.
    """

    bce: NotNegative = 1.0
    contrastive: NotNegative = 1.0
    negatives: Count = 128
    popularity: Share = 1.0
    temperature: Positive = 0.1

    @model_validator(mode="after")
    def _check(self) -> RequestLossConfig:
        if not self.bce and not self.contrastive:
            raise ValueError("bce and contrastive are both 0, so there is nothing to minimise: raise one of them")
        return self


class RequestRates(Section):
    """The learning rate of each part of the model; a rate of 0 leaves the part as it is.

    Attributes:
        text: the layers that read words.
        towers: the hidden layers of both towers.
        item: item embeddings.
        user: user embeddings.
        temperature: the temperature of the scores.
    """

    text: NotNegative = 1e-3
    towers: NotNegative = 1e-3
    item: NotNegative = 3e-3
    user: NotNegative = 3e-3
    temperature: NotNegative = 1e-2


class RequestOptimiserConfig(Section):
    """How the weights are updated.

    Attributes:
        kind: "sgd" (with momentum) or "adam".
        rates: the learning rate of each part.
        momentum: momentum of SGD; decay of the first moment of Adam.
        row_momentum: decay of Adam's first moment in the rows of embeddings, which are updated only when they occur.
        weight_decay: L2 penalty.
        schedule: how the learning rates change.
    """

    kind: Literal["sgd", "adam"] = "adam"
    rates: RequestRates = RequestRates()
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    row_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NotNegative = 1e-4
    schedule: ScheduleConfig = ScheduleConfig(kind="cosine")


class RequestTrainConfig(Section):
    """The training loop.

    Attributes:
        epochs: how many times to go through the training requests. A review that stands on several items is one
            request per epoch, for one of its items, drawn anew.
        batch_size: requests in a batch.
        continuation: gamma in beta = sqrt(gamma * epoch + 1), the slope of tanh(beta * x) that makes codes binary
            step by step.
        signs_from: from this share of the epochs on, the loss is computed from the binary codes, with the gradient of
            the relaxed ones; 1 is continuation alone, as in FHN.
        device: "auto" (the first GPU if there is one), "cpu", "cuda", or a torch device such as "cuda:1".
        steps: the fewest batches of an epoch; small data are gone through several times.
        descriptions: how many requests of a batch are made from the descriptions of items, as a share of the logged
            ones. Items are drawn evenly, so that those nobody asked for are learned too.
        select: which epoch answers: the "best" on the validation requests, or the "last".
        best_by: what makes an epoch the best: "mrr" of the items that were taken, or "satisfied_ndcg" of requests as
            users type them, which needs columns such as colour and kind; both by the binary codes alone.
        select_from: with fewer validation requests than this, the last epoch answers in any case.
        patience: with select "best", training stops after this many epochs without a better one; null never stops.
    """

    epochs: Count = 30
    batch_size: Count = 256
    continuation: NotNegative = 1.0
    signs_from: Share = 1.0
    device: str = "auto"
    steps: Count = 1
    descriptions: Annotated[float, Field(ge=0, le=4)] = 0.5
    select: Literal["best", "last"] = "best"
    best_by: Literal["mrr", "satisfied_ndcg"] = "mrr"
    select_from: Count = 100
    patience: Count | None = 5


class WordsConfig(Section):
    """What the words of requests mean.

    Attributes:
        language: "auto", that of the titles, or the name of one of the package's files of words, such as "german".
        file: a shop's own file of words, see docs/how-to/words.md; its own `language` counts before this one.
    """

    language: str = "auto"
    file: str | None = None


class RequestConfig(Section):
    """One experiment on requests. A file with a section `requests` is one.

    Attributes:
        name: the name of the run's folder: letters, digits, ".", "_" and "-".
        seed: the seed of all random numbers.
        data: which requests to read.
        encoder: how texts become vectors.
        requests: the two towers.
        masking: how often a request loses its words or its taste in training.
        loss: what is minimised.
        optimiser: how the weights are updated.
        train: the training loop.
        words: what the words of requests mean.
        outfits: the folder of a finished run on outfits of the same items, so that requests can be answered with
            outfits; if left out, only with items.
    """

    name: Name
    seed: Seed = 0
    data: RequestDataConfig
    encoder: TextEncoderConfig = TextEncoderConfig()
    requests: RequestModelConfig = RequestModelConfig()
    masking: MaskingConfig = MaskingConfig()
    loss: RequestLossConfig = RequestLossConfig()
    optimiser: RequestOptimiserConfig = RequestOptimiserConfig()
    train: RequestTrainConfig = RequestTrainConfig()
    words: WordsConfig = WordsConfig()
    outfits: str | None = None

    def to_yaml(self) -> str:
        """The whole configuration as YAML, defaults included; `load_experiment` reads it back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
