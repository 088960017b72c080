"""Sections of a configuration that say what is minimised, against what, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from fashion_hash.config.sections import Count, NotNegative, Positive, Section, Share

View = Literal["erase", "replace"]


def _one_or_several(given: object) -> object:
    return (given,) if isinstance(given, str) else given


def _some(given: tuple[str, ...]) -> tuple[str, ...]:
    if not all(given) or not given:
        raise ValueError("name one at least")
    return given


class LossConfig(Section):
    """What is minimised: a ranking loss + cross_modal * the hinge between modalities.

    Attributes:
        kind: "bpr" (each negative by itself) or "softmax" (a positive against all its negatives); any name in the
            table `fashion_hash.training.losses.RANKING_LOSSES`.
        cross_modal: weight of the cross-modal loss; used where there are two content modalities.
        margin: of the cross-modal loss.
    """

    kind: str = "bpr"
    cross_modal: NotNegative = 0.1
    margin: Positive = 0.1


class TeacherConfig(Section):
    """False negative distillation (Kim et al., 2021): a finished run weighs the sampled negatives.

    With d' the teacher's distances and r' its distance to what the user likes, the score of negative k
    loses sigma * alpha * (r' - d'_k) within the loss. alpha = 0 is the loss without a teacher.

    Attributes:
        run: the teacher's run folder, or several whose mean distance teaches. Their users, items and outfits
            are the student's; features and network need not be.
        codes: a teacher of codes is asked for its "relaxed" ones, as in the paper, or for its "binary" ones.
        alpha: how much the teacher counts.
        sigma: +1 pushes probable false negatives (nearer than r') away less, -1 more.
        clip: r' - d' below 0 counts as 0, so that only probable false negatives are changed.
        reference: r' is the distance of the "own" positive of a row, or the mean over the user's
            training positives ("user_mean").
        pairs: weight of a further loss, beside FND: of any two of a positive and its negatives, the student
            learns how sure the teacher is which comes first (of hundreds, some random pairs). Not in the paper.
        temperature: of the teacher in `pairs`; higher is less sure.
        cache: the teacher's distances of negatives that are drawn for a whole epoch are kept in a folder
            (true: RUN/distances of the first run) and read again where the same are drawn.
        per_positive: beside negatives of kind "shared", this many random ones for each positive that
            the teacher weighs; the shared ones are then left as they are. None: the teacher weighs
            the shared ones, which is cheap only for a teacher whose score decomposes (FHN).
    """

    run: Annotated[tuple[str, ...], BeforeValidator(_one_or_several), AfterValidator(_some)]
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
    """Contrastive learning: weight * NT-Xent between two views of each positive outfit of a batch.

    Attributes:
        views: what a view is made by, drawn anew for each: "erase" drops one item, "replace" swaps one
            for a near one of its type.
        weight: of the loss.
        outfits: views are made of so many outfits of a batch at most: the loss compares each with all the others.
        temperature: of NT-Xent.
        projection: width of a two-layer head between outfit vector and loss; None for no head.
        neighbours: how many nearest items "replace" chooses from.
        feature: which feature says what is near: "content" (frozen pictures and words), "cooccurrence"
            (who wears it and what it is worn with, training split only), "teacher" (its item codes), or
            "auto": content where there is any, else cooccurrence.
    """

    views: Annotated[tuple[View, ...], BeforeValidator(_one_or_several), AfterValidator(_some)] = ("erase", "replace")
    weight: NotNegative = 0.01
    outfits: Annotated[int, Field(ge=2)] = 256
    temperature: Positive = 0.2
    projection: Count | None = None
    neighbours: Count = 10
    feature: Literal["auto", "content", "cooccurrence", "teacher"] = "auto"


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
    cooccurrence_head: NotNegative = 1e-2
    encoder: NotNegative = 1e-3
    id: NotNegative = 10.0
    bit_weights: NotNegative = 0.1
    item_bias: NotNegative = 0.1
    projection: NotNegative = 1e-3


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
        epochs: how often training goes through the training outfits.
        batch_size: positive outfits of a step.
        continuation: gamma in beta = sqrt(gamma * epoch + 1), the slope of tanh(beta * x).
        device: "auto" takes the first GPU if there is one.
        precision: "bf16" uses autocast on a GPU; "fp32" does not.
        workers: threads that decode pictures in mode finetune.
        start: a run folder whose model this run starts from, such as the one trained on the
            users of tuples_630 for the new users of tuples_53.
        average: over how many of the last epochs the weights are averaged; the mean then answers. None for the
            weights of a single epoch. It helps float vectors, and codes hardly.
        calibrate: whether the terms of the score are weighted on the validation split when the run is used, with
            model.item_bias also the items' leave-one-out rates (`training.runs.calibration`); training is unaffected.
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
    average: Count | None = None
    calibrate: bool = False
    parts: (
        tuple[
            Literal[
                "user",
                "backbone",
                "image_head",
                "text_head",
                "cooccurrence_head",
                "encoder",
                "id",
                "bit_weights",
                "item_bias",
                "projection",
            ],
            ...,
        ]
        | None
    ) = None
