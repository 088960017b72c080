"""The sections of a configuration that say what is minimised, against which negatives, and how."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fashion_hash.config.sections import MOST, Count, NotNegative, Positive, Section, Share, Width

MOST_LENGTH = 1000
_BEST_BY = re.compile(
    r"auc|(?:(?P<metric>recall|ndcg)@(?P<length>[1-9][0-9]{0,8})|(?P<other>mrr))(?::(?P<type>.+))?", re.ASCII
)

View = Literal["erase", "replace"]


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _not_empty(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(names) or not names:
        raise ValueError("give at least one name, and no empty one")
    return names


class LossConfig(Section):
    """What is minimised: a ranking loss, plus `cross_modal` times a hinge that ties an item's codes together.

    Attributes:
        kind: the ranking loss: "bpr" (the positive against each negative by itself), "softmax" (the positive against
            all its negatives at once), or another name in `fashion_hash.training.losses.RANKING_LOSSES`.
        cross_modal: weight of the cross-modal loss, which is used when there are two content modalities.
        margin: margin of the cross-modal hinge.
    """

    kind: str = "bpr"
    cross_modal: NotNegative = 0.1
    margin: Positive = 0.1


class TeacherConfig(Section):
    """False negative distillation (Kim et al., 2021): a finished run, the teacher, weighs the sampled negatives.

    With d' the teacher's distances and r' a reference distance, the score of negative k loses
    sigma * alpha * (r' - d'_k) within the loss. With alpha = 0 the loss is the one without a teacher.

    Attributes:
        run: the teacher's run folder, or several, whose mean distance teaches. Users, items and outfits must be the
            student's; features and network may differ.
        codes: whether a teacher with codes is asked for its "relaxed" codes (as in the paper) or its "binary" ones.
        alpha: weight of the teacher.
        sigma: +1 pushes probable false negatives (nearer than r') away less; -1 pushes them away more.
        clip: whether r' - d' is cut off at 0, so that only probable false negatives are changed.
        reference: r' is the distance of the row's "own" positive, or "user_mean": the mean over all training
            positives of the user.
        pairs: weight of a further loss, which is not in the paper: for any two of a positive and its negatives (some
            random pairs when there are hundreds), the student learns how sure the teacher is which comes first.
        temperature: temperature of the teacher in `pairs`; a higher one makes it less sure.
        cache: whether to keep the teacher's distances of negatives that are drawn for a whole epoch, so that they are
            computed once: true keeps them in RUN/distances of the first teacher, a text names another folder.
        per_positive: how many random negatives the teacher weighs for each positive beside negatives of kind "shared",
            which are then left as they are. If left out, the teacher weighs the shared negatives; that is cheap only
            for a teacher whose score is a sum over items (FHN).
    """

    run: Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_not_empty)]
    codes: Literal["relaxed", "binary"] = "relaxed"
    alpha: NotNegative = 1.0
    sigma: Literal[1, -1] = 1
    clip: bool = False
    reference: Literal["own", "user_mean"] = "own"
    pairs: NotNegative = 0.0
    temperature: Positive = 1.0
    cache: bool | str = True
    per_positive: Count | None = None


class ContrastiveConfig(Section):
    """Contrastive learning: `weight` times NT-Xent between two views of each positive outfit of a batch.

    Attributes:
        views: how a view is made, drawn anew for each: "erase" drops one item, "replace" exchanges one for a similar
            item of its type.
        weight: weight of the loss.
        outfits: at most this many outfits of a batch get views (the loss compares each with all the others).
        temperature: temperature of NT-Xent.
        projection: width of a two-layer head between the outfit's vector and the loss; none if left out.
        neighbours: how many similar items "replace" chooses from.
        feature: what makes items similar: "content" (frozen pictures and words), "cooccurrence" (who wears them and
            what they are worn with, in the training split), "teacher" (the teacher's item codes), or "auto": content
            where there is any, else cooccurrence.
    """

    views: Annotated[tuple[View, ...], BeforeValidator(_as_tuple), AfterValidator(_not_empty)] = ("erase", "replace")
    weight: NotNegative = 0.01
    outfits: Annotated[int, Field(ge=2, le=MOST)] = 256
    temperature: Positive = 0.2
    projection: Width | None = None
    neighbours: Count = 10
    feature: Literal["auto", "content", "cooccurrence", "teacher"] = "auto"


class NegativesConfig(Section):
    """Negative outfits. They are drawn anew for each epoch, from the seed.

    Attributes:
        kind: "random" (random items in the positive's slots), "hard" (a positive of another user), "mixed" (both),
            "fixed" (those in the data set's files), "shared": each step draws items for one slot, and every positive
            of the batch is compared with itself with that slot's item replaced by each of them; or "outfits": each
            step draws real outfits of the training split, and every positive of the batch is compared with all of
            them. With the softmax loss it is sampled softmax: scores are corrected for how often an outfit is drawn.
        per_positive: how many negatives each positive gets; for "shared" and "outfits", how many items or outfits
            the whole batch shares. "outfits" takes all of the training split where there are fewer.
        items_a_batch: for "random": the negatives of a batch are made from this many items of each type, drawn anew
            for each batch, so that fewer items have to be hashed. If left out, every item is drawn independently.
        swap: the item types that a random negative replaces; all if left out.
        fill: which slots a random mix fills: those that its "positive" fills, or those of a training outfit that is
            "drawn" for it, so that it may have another number of tops, as in the FHN release. Slots of item types
            that are not replaced stay as they are.
        popularity: random items, and the outfits of "outfits", are drawn in proportion to count ** popularity; 0 draws
            all alike.
        in_batch: for "outfits": whether the other positives of the batch are candidates as well.
        hard_share: for "mixed": the share of hard negatives in the first and in the last epoch.
        file: for "fixed": the kind of negatives to take from the files, "random" or "hard".
    """

    kind: Literal["random", "hard", "mixed", "fixed", "shared", "outfits"] = "random"
    per_positive: Count = 1
    items_a_batch: Count | None = None
    swap: tuple[str, ...] | None = None
    fill: Literal["positive", "drawn"] = "positive"
    popularity: NotNegative = 0.0
    in_batch: bool = False
    hard_share: tuple[Share, Share] = (0.0, 0.5)
    file: str = "random"


class ScheduleConfig(Section):
    """How the learning rates change during training: one factor for all parts.

    Attributes:
        kind: "constant"; "step" (times `factor` after every `step` epochs); "plateau" (times `factor` when
            train.best_by has not risen for `patience` epochs); or "cosine" (from 1 towards 0 over all epochs).
        step: for "step": the number of epochs between two changes.
        factor: for "step" and "plateau": what the rates are multiplied by.
        patience: for "plateau": how many epochs to wait for a better one.
    """

    kind: Literal["constant", "step", "plateau", "cosine"] = "constant"
    step: Count = 30
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Count = 5


class RatesConfig(Section):
    """The learning rate of each part of the model; a rate of 0 leaves the part as it is.

    Attributes:
        user: user embeddings.
        backbone: the image network, in mode "finetune".
        image_head: the hash head of pictures.
        text_head: the hash head of words.
        cooccurrence_head: the hash head of the co-occurrence features.
        attributes_head: the hash head of columns of the catalogue.
        encoder: the outfit encoder.
        id: item embeddings.
        bit_weights: the learned bit weights.
        item_bias: the learned item biases.
        projection: the head of contrastive learning.
        outfit: own codes of outfits.
        outfit_bias: own biases of outfits.
    """

    user: NotNegative = 10.0
    backbone: NotNegative = 1e-3
    image_head: NotNegative = 1e-2
    text_head: NotNegative = 1e-2
    cooccurrence_head: NotNegative = 1e-2
    attributes_head: NotNegative = 1e-2
    encoder: NotNegative = 1e-3
    id: NotNegative = 10.0
    bit_weights: NotNegative = 0.1
    item_bias: NotNegative = 0.1
    projection: NotNegative = 1e-3
    outfit: NotNegative = 10.0
    outfit_bias: NotNegative = 0.1


class OptimiserConfig(Section):
    """How the weights are updated.

    Attributes:
        kind: "sgd" (with momentum) or "adam".
        rates: the learning rate of each part.
        momentum: momentum of SGD; decay of the first moment of Adam.
        row_momentum: decay of Adam's first moment in the rows of embeddings, which are updated only when they occur;
            0 forgets steps long past.
        weight_decay: L2 penalty on embeddings and heads.
        schedule: how the learning rates change.
    """

    kind: Literal["sgd", "adam"] = "sgd"
    rates: RatesConfig = RatesConfig()
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    row_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: NotNegative = 1e-6
    schedule: ScheduleConfig = ScheduleConfig()


class Criterion(NamedTuple):
    """What makes an epoch the best (`train.best_by`).

    Attributes:
        name: as it is written.
        metric: "auc", "recall", "ndcg" or "mrr".
        length: k of recall@k and ndcg@k; 20 where it is not needed.
        item_type: the type of the open slot whose items are ranked; None where whole outfits are.
    """

    name: str
    metric: str
    length: int
    item_type: str | None

    @property
    def measured(self) -> str:
        """The metric as `FullRanking.metrics` names it."""
        return self.metric if self.metric == "mrr" else f"{self.metric}@{self.length}"

    @classmethod
    def of(cls, best_by: str) -> Criterion:
        """Reads `train.best_by`. Raises ValueError where it means nothing."""
        found = _BEST_BY.fullmatch(best_by)
        if found is None:
            raise ValueError(
                "it must be auc, recall@K, ndcg@K or mrr, and for the items of an open slot the same with :TYPE, such "
                f"as recall@20:bottom, with K from 1 to {MOST_LENGTH}"
            )
        metric, length, item_type = found["metric"] or found["other"] or "auc", found["length"], found["type"]
        if length is not None and int(length) > MOST_LENGTH:
            raise ValueError(f"K must be from 1 to {MOST_LENGTH}")
        return cls(best_by, metric, 20 if length is None else int(length), item_type)


def _best_by(value: str) -> str:
    return Criterion.of(value).name


class TrainConfig(Section):
    """The training loop.

    Attributes:
        epochs: how many times to go through the training outfits.
        batch_size: outfits in a batch.
        continuation: gamma in beta = sqrt(gamma * epoch + 1), the slope of tanh(beta * x) that makes codes binary
            step by step.
        device: "auto" (the first GPU if there is one), "cpu", "cuda", or a torch device such as "cuda:1".
        precision: "fp32", or "bf16" to multiply matrices in bfloat16 (torch.autocast).
        workers: threads that decode pictures in mode "finetune".
        start: a run folder whose model training starts from, such as the one trained on the users of tuples_630 for
            the new users of tuples_53; or "spectral": users and items start where the singular vectors of the clicks,
            or the principal components of the features, place them, turned so that signs lose little. It needs linear
            heads. "distilled", for outfits with codes of their own (section outfit): users and outfits start with bits
            that predict what EASE, a linear model of the clicks, says of every outfit; rates of 0 leave them as they
            are. "discrete": numbers of users and bits of items that say in turns who wears what, and beyond that what
            GF-CF expects (discrete collaborative filtering), for rankings of everything. Content beside ids gets bits
            that agree where items are worn together (canonical correlation), and users and bits of ids are fitted
            beside them; with model.terms preference it gets the bits of the ids. By default training starts from
            random numbers.
        unworn: for start "discrete": the weight of what GF-CF expects of a pair of a user and an item, the same for all
            pairs; that a pair was worn weighs 1.
        average: answer with the mean of the weights of this many last epochs, under the slope of the first of them;
            if left out, with the weights of a single epoch. It helps relaxed codes, binary ones hardly.
        calibrate: whether everything that uses the run weighs the terms of the score on the validation split, and
            with model.item_bias also the items' leave-one-out rates: true against the negatives of that split,
            "outfits" against real outfits of the pool, which is for rankings of everything. Training itself does not
            change.
        best_by: what makes an epoch the best, on the validation split and by the binary codes: "auc" against its random
            negatives; or "recall@20", "ndcg@20" or "mrr" (any K) of all outfits ranked for each user, without those
            known from training; or, as in "recall@20:bottom", of all items of a type ranked for each user and outfit
            that lacks one. The plateau schedule and `patience` follow it.
        patience: training stops after this many epochs without a better one; if left out, never.
        parts: the parts to train; all if left out. With `start` and parts [user], only the users' codes are trained.
    """

    epochs: Count = 100
    batch_size: Count = 64
    continuation: NotNegative = 1.0
    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    workers: Annotated[int, Field(ge=1, le=1024)] = 2
    start: str | None = None
    unworn: Positive = 0.03
    average: Count | None = None
    calibrate: bool | Literal["outfits"] = False
    best_by: Annotated[str, AfterValidator(_best_by)] = "auc"
    patience: Count | None = None
    parts: (
        tuple[
            Literal[
                "user",
                "backbone",
                "image_head",
                "text_head",
                "cooccurrence_head",
                "attributes_head",
                "encoder",
                "id",
                "bit_weights",
                "item_bias",
                "projection",
                "outfit",
                "outfit_bias",
            ],
            ...,
        ]
        | None
    ) = None

    @property
    def criterion(self) -> Criterion:
        """`best_by`, read."""
        return Criterion.of(self.best_by)

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if self.patience is not None and self.average is not None:
            raise ValueError(
                "patience and average exclude each other: the mean is that of the last epochs, which a training that "
                "stops early does not reach"
            )
        return self
