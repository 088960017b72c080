"""From a finished run to a bundle: the bits, the weights and what people see of the items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle import Bundle, BundleContents, write_bundle
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.outfits import concatenate
from fashion_hash.features.extraction import picture_store
from fashion_hash.training.export_heads import export_heads
from fashion_hash.training.run import Run, load_data
from fashion_hash.training.scoring import ModelScorer, code_arrays
from fashion_hash.training.thumbnails import thumbnails


def export_bundle(run: Run, path: str | Path | None = None, dataset: Dataset | None = None) -> Bundle:
    """Writes the bundle of a run's best epoch.

    Args:
        run: a finished run.
        path: the bundle folder; RUN/bundle by default. An older bundle there is replaced.
        dataset: the data the run was trained on; read again when it is not given.

    Raises:
        TrainingError: the run has no checkpoint, or the data has changed since.
    """
    dataset = dataset or load_data(run.config)
    model, inputs, _ = run.model(dataset)
    scorer = ModelScorer(model, inputs, slope=None)
    user_codes, item_codes, item_bias = code_arrays(scorer)
    matching = model.matching
    # liked is what was known when the model was made: the test split stays unseen
    known = [dataset.splits[name].positives for name in ("train", "valid") if name in dataset.splits]
    store = picture_store(dataset) if dataset.content.pictures is not None else None
    contents = BundleContents(
        name=run.config.name,
        slots=dataset.slots,
        modalities=run.config.modalities,
        users=dataset.users.ids,
        items={kind: dataset.items[kind].ids for kind in dataset.types},
        user_codes=user_codes,
        item_codes=item_codes,
        item_bias=item_bias,
        preference_weights=matching.preference_weights().detach().cpu().numpy().astype(np.float64),
        compatibility_weights=matching.compatibility_weights().detach().cpu().numpy().astype(np.float64),
        preference_scale=matching.preference_scale,
        compatibility_scale=matching.compatibility_scale,
        repeat_empty=model.repeat_empty,
        history=concatenate(known),
        details=dataset.content.details,
        pictures=thumbnails(dataset, store),
        model=_facts(run, dataset),
        heads=export_heads(model, inputs),
    )
    return write_bundle(path or run.path / "bundle", contents)


def _facts(run: Run, dataset: Dataset) -> dict[str, Any]:
    best = run.history[run.best_epoch - 1]
    return {
        "paper": "FHN, Lu et al., CVPR 2019",
        "variant": run.config.model.variant,
        "terms": run.config.model.terms,
        "dataset": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "best_epoch": run.best_epoch,
        "valid_auc": best["valid_auc"],
    }
