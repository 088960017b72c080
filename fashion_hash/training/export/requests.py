"""Exporting a finished run on requests: a bundle of single items, or of outfits that also answers requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.requests.table import NOBODY, RequestData
from fashion_hash.errors import ConfigError, TrainingError, counted, suggest
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.request_sum import RequestSum, rounded
from fashion_hash.inference.request_weights import RequestContents, TowerWeights
from fashion_hash.models.hashing import binarise
from fashion_hash.models.whisper_lite import WhisperLite
from fashion_hash.training.export.bundle import Kept, export_bundle
from fashion_hash.training.requests.answer import fit_run, known_before, popular_of
from fashion_hash.training.requests.facts import CatalogueFacts, words_of
from fashion_hash.training.requests.inputs import RequestInputs, load_request_data
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.training.requests.scoring import item_outputs, seen_in_training, user_tastes
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.understanding.facts import RequestFacts


def export_requests(
    run: RequestRun, path: str | Path | None = None, data: RequestData | None = None, **kept: Unpack[Kept]
) -> Bundle:
    """Writes the bundle of a run's best epoch.

    If its configuration names a run on outfits (key `outfits`), the bundle is that of this run and also answers
    requests. Otherwise every outfit is a single item, and the code of a user is their request without words.

    Args:
        run: a finished run on requests.
        path: the bundle folder; RUN/bundle by default. An existing bundle is replaced.
        data: the data of the run; read again by default.
        kept: as for `export_bundle`, where there is a run on outfits.

    Raises:
        TrainingError: the data has changed since the training, or the run on outfits has other items.
        ConfigError: there are several item types and no run on outfits.
    """
    data = data or load_request_data(run.config, run.path)
    path = path or run.path / "bundle"
    if run.config.outfits is not None:
        outfits = Run.open(run.config.outfits)
        dataset = load_data(outfits.config, folder=outfits.path)
        items = {item_type: dataset.items[item_type].ids for item_type in dataset.types}
        check_same_items(items, data, run, outfits)
        return export_bundle(outfits, path, dataset, request_contents(run, data, dataset.users.ids, items), **kept)
    if len(data.types) > 1:
        raise ConfigError(
            f"{data.name} has {counted(len(data.types), 'item type')} ({', '.join(data.types)}): name a finished run "
            "on outfits of these items, such as outfits: runs/demo"
        )
    item_type = data.types[0]
    contents = request_contents(run, data, data.users.ids, {item_type: data.items[item_type].ids})
    pairs, times = _taken(data)
    item_codes = np.where(contents.item_outputs[item_type] >= 0, 1, -1)
    num_bits = item_codes.shape[1]
    outfit_contents = BundleContents(
        name=run.config.name,
        slots=(item_type,),
        modalities=("request",),
        users=data.users.ids,
        items={item_type: data.items[item_type].ids},
        user_codes=user_codes(run, data),
        item_codes={item_type: item_codes[:, None]},
        item_bias={item_type: np.zeros(len(item_codes))},
        preference_weights=np.ones(num_bits),
        compatibility_weights=np.ones(num_bits),
        preference_scale=10,
        compatibility_scale=0,
        repeat_empty=False,
        history=Outfits.of((item_type,), pairs[:, 0], pairs[:, 1:]),
        history_times=times if (times != NO_TIME).any() else None,
        details=data.details,
        pictures={},
        model=_facts(run, data),
        requests=contents,
    )
    return write_bundle(path, outfit_contents)


def _taken(data: RequestData) -> tuple[np.ndarray, np.ndarray]:
    """(L, 2) users and the items that they took, each pair once, and (L,) when they last did, NO_TIME if unknown."""
    known = [data.splits[name] for name in ("train", "valid") if name in data.splits]
    engaged = np.concatenate([np.stack([events.users, events.items], axis=1) for events in known])
    named = engaged[:, 0] != NOBODY
    pairs, places = np.unique(engaged[named], axis=0, return_inverse=True)
    times = np.concatenate([events.times for events in known])[named]
    newest = np.full(len(pairs), NO_TIME, dtype=np.int64)
    np.maximum.at(newest, places.reshape(-1), np.where(times == 0, NO_TIME, times))  # 0 is unknown
    return pairs, newest


def single_items(bundle: Bundle) -> tuple[list[str], Outfits]:
    """The pool of a bundle of single items: every item is an outfit with the id of the item."""
    ids = bundle.items[bundle.slots[0]].all()
    return ids, Outfits.of(bundle.slots, np.zeros(len(ids)), np.arange(len(ids))[:, None])


def check_same_items(items: Mapping[str, Sequence[str]], data: RequestData, run: RequestRun, outfits: Run) -> None:
    """Raises TrainingError, naming the first difference, unless requests and outfits have the same items."""
    for item_type in dict.fromkeys([*items, *data.types]):
        request_ids = set(data.items[item_type].ids) if item_type in data.types else set()
        outfit_ids = set(items.get(item_type, ()))
        if request_ids == outfit_ids:
            continue
        where, elsewhere, others = run.path, outfits.path, outfit_ids
        only = sorted(request_ids - outfit_ids)
        if not only:
            where, elsewhere, others = outfits.path, run.path, request_ids
            only = sorted(outfit_ids - request_ids)
        raise TrainingError(
            f"{run.path} and its outfits {outfits.path} have different items: {len(only)} {item_type} items of {where} "
            f"are not in {elsewhere}, first {only[0]!r}{suggest(only[0], others)}; "
            "train both on the same items"
        )


def request_contents(
    run: RequestRun, data: RequestData, users: Sequence[str], items: Mapping[str, Sequence[str]]
) -> RequestContents:
    """The model of a run's best epoch over the users and items of a bundle, in their order.

    Args:
        run: a finished run.
        data: the data of the run.
        users: ids; users without requests get no taste.
        items: ids by type, the same as those of the data.
    """
    model, inputs, slope = run.model(data)
    outputs, added = item_outputs(model, inputs)
    rows = {item_type: data.flat(item_type, data.items[item_type].rows(ids)) for item_type, ids in items.items()}
    user_rows = np.array([data.users.find(user) for user in users], dtype=np.int64)
    tastes, known = _tastes(model, inputs, added, user_rows)
    weights = tower_weights(model, slope)
    catalogue = CatalogueFacts(data, words_of(run.config, data))
    fitted = fit_run(run, data, catalogue)
    encoded, popular = rounded(inputs.item_features), popular_of(data, known_before("test"))
    words = catalogue.terms.in_order({item_type: data.items[item_type].rows(ids) for item_type, ids in items.items()})
    nothing = np.zeros((len(outputs), 0), dtype=np.float32)
    taste_parts = nothing if added is None else _array(added)
    return RequestContents(
        types=tuple(items),
        encoder=inputs.encoder,
        weights=weights,
        item_outputs={item_type: _array(outputs)[of_type] for item_type, of_type in rows.items()},
        item_tastes={item_type: taste_parts[of_type] for item_type, of_type in rows.items()},
        user_tastes=_array(tastes),
        user_known=known,
        facts=RequestFacts(catalogue.words, words, fitted.lexical, fitted.soft, fitted.longest),
        sum=RequestSum(
            fitted.sum,
            {item_type: encoded[of_type] for item_type, of_type in rows.items()},
            {item_type: popular[of_type] for item_type, of_type in rows.items()},
        ),
    )


def user_codes(run: RequestRun, data: RequestData) -> np.ndarray:
    """(U, D) of -1 / +1: the codes of the users' requests without words."""
    model, inputs, _ = run.model(data)
    _, added = item_outputs(model, inputs)
    tastes, _ = _tastes(model, inputs, added, np.arange(len(data.users)))
    with torch.no_grad():
        without = torch.zeros(len(tastes), dtype=torch.bool, device=tastes.device)
        texts = tastes.new_zeros(len(tastes), inputs.item_features.shape[1])
        return np.asarray(binarise(model.requests(texts, without, tastes)).cpu())


def tower_weights(model: WhisperLite, slope: float) -> TowerWeights:
    """The towers as plain arrays."""
    bits, features = model.request_project.weight.shape
    unknown_taste_item = model.no_text.new_zeros(0 if model.taste_project is None else bits)
    unknown = model.no_text.new_zeros(bits)
    if model.item_embedding is not None:
        unknown = model.item_embedding.weight[-1]
    if model.taste_items is not None:
        unknown_taste_item = model.taste_items.weight[-1]
    by_taste = model.taste_project.weight if model.taste_project is not None else unknown.new_zeros(0, features)
    no_history = model.no_history if model.taste_project is not None else torch.zeros_like(model.no_history)
    anonymous = model.nobody if model.users is not None else torch.zeros_like(model.nobody)
    return TowerWeights(
        request_project=_array(model.request_project.weight),
        request_mlp=_layers(model.request_mlp),
        gates=_array(model.gates),
        item_project=_array(model.item_project.weight),
        item_mlp=_layers(model.item_mlp),
        taste_project=_array(by_taste),
        no_text=_array(model.no_text),
        no_taste=_array(no_history + anonymous),
        nobody=_array(anonymous),
        no_description=_array(model.no_description),
        unknown_item=_array(unknown),
        unknown_taste_item=_array(unknown_taste_item),
        slope=slope,
        output=model.output,
    )


def _tastes(
    model: WhisperLite, inputs: RequestInputs, added: Tensor | None, users: np.ndarray
) -> tuple[Tensor, np.ndarray]:
    """`user_tastes` from training and validation; the test split stays unseen."""
    return user_tastes(model, added, inputs.histories("test"), users, seen_in_training(inputs.data)[0])


def _facts(run: RequestRun, data: RequestData) -> dict[str, Any]:
    return {
        "paper": "WhisperLite, Sevegnani et al., 2022",
        "dataset": data.name,
        "data_fingerprint": data.fingerprint,
        "best_epoch": run.best_epoch,
        "valid_mrr": run.history[run.best_epoch - 1]["valid_mrr"],
    }


def _layers(mlp: nn.Sequential) -> tuple[Layer, ...]:
    """The linear layers; ReLU stands between them, and dropout is not used after training."""
    linear = [layer for layer in mlp if isinstance(layer, nn.Linear)]
    return tuple(Layer(_array(layer.weight), _array(layer.bias)) for layer in linear)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float32)
