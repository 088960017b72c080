"""Exporting a finished run to a bundle: codes, weights, and the names and pictures of items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.own import OwnContents
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.config.experiment import with_user_code
from fashion_hash.core.codes import UserForm
from fashion_hash.core.outfits import concatenate
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.data.facts import NO_TIME
from fashion_hash.errors import BundleError, expect
from fashion_hash.features.extraction import picture_store
from fashion_hash.inference.outfit_encoder import EncoderContents, OutfitEncoderArrays
from fashion_hash.inference.request_weights import RequestContents
from fashion_hash.models.fhn import FHN, FloatFHN
from fashion_hash.models.network import Network
from fashion_hash.models.outfit_encoder import OutfitEncoder
from fashion_hash.training.export.agreement import check_agreement
from fashion_hash.training.export.heads import export_heads
from fashion_hash.training.export.thumbnails import thumbnails
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.scoring import ModelScorer, code_arrays, own_arrays, trained_users
from fashion_hash.understanding.facts import facts_of_catalogue


class Kept(TypedDict, total=False):
    """What a bundle keeps of a run.

    Attributes:
        onnx: whether the bundle holds the network that reads pictures, as ONNX, so that new items are coded from their
            pictures without torch; by default where the extra `onnx` is installed. `descriptors` needs none.
        user_code: in which form the codes of users are kept; by default as the configuration of the run says
            (user.code).
    """

    onnx: bool | None
    user_code: UserForm | None


def export_bundle(
    run: Run,
    path: str | Path | None = None,
    dataset: Dataset | None = None,
    requests: RequestContents | None = None,
    calibrate: bool | None = None,
    **kept: Unpack[Kept],
) -> Bundle:
    """Writes the bundle of a run's best epoch.

    Args:
        run: a finished run.
        path: the bundle folder; RUN/bundle by default. An existing bundle is replaced.
        dataset: the data of the run; read again by default.
        requests: a request model over the same users and items.
        calibrate: whether to weight the terms of the score on the validation split; by default as the configuration
            of the run says.
        kept: onnx, user_code: see `Kept`.

    Raises:
        ConfigError: this network has no users that could be kept in the form `user_code`.
        TrainingError: the run has no checkpoint, or the data has changed since the training.
        BundleError: the bundle cannot express the model's score; an existing bundle is kept.
    """
    expect(run, Run, "export_bundle", "open a finished run with Run.open(path)")
    _check_codes(run)
    config = with_user_code(run.config, kept.get("user_code"))
    dataset = load_data(run.config, dataset, run.path)
    model, inputs, _ = run.model(dataset)
    scorer = make_scorer(config, model, inputs, None, dataset, calibrate)
    model = scorer.model
    user_codes, item_codes, item_bias = code_arrays(scorer)
    trained = trained_users(dataset)
    # the bundle knows the outfits of training and validation; the test split stays unseen
    seen = [dataset.splits[name] for name in ("train", "valid") if name in dataset.splits]
    store = picture_store(dataset) if dataset.content.pictures is not None else None
    items = {item_type: dataset.items[item_type].ids for item_type in dataset.types}
    contents = BundleContents(
        name=run.config.name,
        slots=dataset.slots,
        users=dataset.users.ids,
        items=items,
        item_bias=item_bias,
        **_scored_by(scorer, user_codes, item_codes, trained),
        repeat_empty=model.repeat_empty,
        history=concatenate([split.positives for split in seen]),
        history_times=_times(seen),
        users_known=None if trained.all() else trained,
        details=dataset.content.details,
        pictures=thumbnails(dataset, store),
        model=_facts(run, dataset),
        heads=export_heads(model, inputs, kept.get("onnx")),
        requests=requests,
        names=dataset.content.names,
        own=_own(scorer),
        facts=facts_of_catalogue(items, dataset.content.details) if requests is None else None,
    )
    check_agreement(contents, scorer)
    return write_bundle(path or run.path / "bundle", contents)


def _own(scorer: ModelScorer) -> OwnContents | None:
    """The codes of outfits themselves, if the model has them."""
    if scorer.own is None:
        return None
    codes, bias, weights = own_arrays(scorer)
    return OwnContents(scorer.own.items, codes, bias, weights)


def _check_codes(run: Run) -> None:
    if run.config.model.codes == "zero_one":
        raise BundleError(
            f"{run.path} has codes of 0 and 1, which a bundle cannot hold (its bits mean -1 and +1): train with "
            "model.codes=signs to export; evaluation needs no bundle"
        )


def _times(splits: Sequence[Split]) -> np.ndarray | None:
    """When the positives of splits were liked, (L,) int64, NO_TIME where that is not known; None for none."""
    times = [np.zeros(0, dtype=np.int64)]
    for split in splits:
        known = None if split.facts is None else split.facts.times
        times.append(np.full(len(split.positives), NO_TIME) if known is None else known)
    together = np.concatenate(times)
    return together if (together != NO_TIME).any() else None


def _scored_by(
    scorer: ModelScorer, user_codes: np.ndarray, item_codes: Mapping[str, np.ndarray], trained: np.ndarray
) -> dict[str, Any]:
    """The fields of BundleContents that define the score, by the entry of SCORED_BY for the class or a parent."""
    model = scorer.model
    parts = next((SCORED_BY[parent] for parent in type(model).__mro__ if parent in SCORED_BY), None)
    if parts is None or isinstance(model, FloatFHN):
        known = " and ".join(network.__name__ for network in SCORED_BY)
        raise BundleError(
            f"{type(model).__name__} cannot be exported: bundles can express {known}, and classes derived from them "
            "whose score has no other terms"
        )
    fields = parts(model, user_codes, item_codes, trained)
    if scorer.users is None:
        return fields
    return {
        **fields,
        "preference_weights": scorer.users.size * fields["preference_weights"],
        "user_form": scorer.users.form,
    }


def exportable(model: Network) -> bool:
    """Whether a bundle can express the score of a network."""
    anchors = isinstance(model, OutfitEncoder) and model.anchors > 1
    return not (anchors or isinstance(model, FloatFHN)) and any(parent in SCORED_BY for parent in type(model).__mro__)


def _by_vectors(
    model: OutfitEncoder, user_codes: np.ndarray, item_codes: Mapping[str, np.ndarray], trained: np.ndarray
) -> dict[str, Any]:
    if model.anchors > 1:
        raise BundleError(
            f"an outfit encoder with {model.anchors} anchors a user cannot be exported: it is a model to compare with "
            "and to learn from; train one with encoder.anchors 1, with this run as its teacher"
        )
    tokens = {item_type: codes[:, 0] for item_type, codes in item_codes.items()}
    encoder = encoder_contents(model, user_codes, tokens, trained)
    return {
        "modalities": ("outfit",),
        "user_codes": encoder.user_codes,
        "item_codes": encoder.item_codes,
        "preference_weights": np.ones(model.num_bits),
        "compatibility_weights": np.zeros(model.num_bits),
        "preference_scale": 1,
        "compatibility_scale": 0,
        "encoder": encoder,
    }


def _by_codes(
    model: FHN, user_codes: np.ndarray, item_codes: Mapping[str, np.ndarray], trained: np.ndarray
) -> dict[str, Any]:
    matching = model.matching
    return {
        "modalities": model.modalities,
        "user_codes": user_codes,
        "item_codes": item_codes,
        "preference_weights": matching.preference_weights().detach().cpu().numpy().astype(np.float64),
        "compatibility_weights": matching.compatibility_weights().detach().cpu().numpy().astype(np.float64),
        "preference_scale": matching.preference_scale,
        "compatibility_scale": matching.compatibility_scale,
    }


SCORED_BY: dict[type[Network], Callable[[Any, np.ndarray, Mapping[str, np.ndarray], np.ndarray], dict[str, Any]]] = {
    FHN: _by_codes,
    OutfitEncoder: _by_vectors,
}
"""How a bundle expresses the score of each class of networks.

Of the codes of users, those of items by type, and who was trained.
"""


def encoder_contents(
    model: OutfitEncoder, users: np.ndarray, tokens: Mapping[str, np.ndarray], trained: np.ndarray
) -> EncoderContents:
    """An outfit encoder as plain arrays.

    Args:
        model: the trained network.
        users: (U, D), their vectors.
        tokens: (N, W) by type, of the items.
        trained: (U,) bool, the users with a training outfit; an anonymous user is the mean of these.
    """
    encoder = OutfitEncoderArrays(
        weights={name: tensor.detach().cpu().float().numpy() for name, tensor in model.outfits.state_dict().items()},
        num_heads=model.outfits.pool.heads,
        distance=model.distance,
        output=model.output,
        scale=float(model.scale_log.detach().exp()),
        type_tokens={
            item_type: tensor.detach().cpu().float().numpy() for item_type, tensor in model.type_tokens.items()
        },
        nobody=np.zeros(model.num_bits, dtype=np.float32),
        bounded=model.bounded,
    )
    placed = encoder.place(users)
    anonymous = encoder.place((placed[trained] if trained.any() else placed).astype(np.float64).mean(axis=0))
    return EncoderContents(replace(encoder, nobody=anonymous), tokens, placed)


def _facts(run: Run, dataset: Dataset) -> dict[str, Any]:
    best, encoder = run.history[run.best_epoch - 1], run.config.encoder
    if encoder is None:
        network = {
            "paper": "FHN, Lu et al., CVPR 2019",
            "variant": run.config.model.variant,
            "terms": run.config.model.terms,
        }
    else:
        network = {"paper": "FND, Kim et al., 2021 (arXiv 2110.06483)", **encoder.model_dump()}
    return {
        **network,
        "dataset": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "best_epoch": run.best_epoch,
        "valid_auc": best["valid_auc"],
    }
