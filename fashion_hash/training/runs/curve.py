"""The training curve as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.files import atomic_path

SATISFIED = {"valid_adherence@2": "adherence@2", "valid_satisfied_ndcg@10": "satisfied NDCG@10"}
"""Validation metrics that are drawn where a run has them, by key."""

FULL = {"valid_recall@20": "recall@20", "valid_ndcg@20": "NDCG@20", "valid_mrr": "MRR"}
"""The same of full rankings, of runs on outfits."""


def draw_curve(
    path: Path,
    title: str,
    history: Sequence[Mapping[str, Any]],
    measure: str = "valid_auc",
    measured: str = "validation AUC",
) -> None:
    """Draws the loss and a validation metric, relaxed and binary, over the epochs; replaces `path`.

    Runs on requests with judged validation requests have a third panel, of how well the first items satisfy them; runs
    on outfits whose epochs rank all outfits have one of where the binary codes put those that users like.

    Args:
        path: the picture file.
        title: the title above the loss.
        history: the metrics of every epoch.
        measure: the key of the metric for binary codes; the key for relaxed codes ends in "_relaxed".
        measured: the name of the metric in the picture.
    """
    # imported here, because it takes a second and only training draws
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [metrics["epoch"] for metrics in history]
    title_of_third, third = "requests as users type them", SATISFIED
    if history[-1].get("valid_auc") is not None:
        title_of_third, third = "all outfits ranked", FULL
    beside = {key: label for key, label in third.items() if history[-1].get(key) is not None}
    figure = Figure(figsize=(13.5 if beside else 9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    loss, auc, *more = figure.subplots(1, 3 if beside else 2)
    for axes in more:
        for (key, label), colour in zip(beside.items(), ("#2b5fc9", "#c98b2b", "#4f8a4c")):
            values = [metrics.get(key) for metrics in history]
            axes.plot(epochs, [np.nan if value is None else value for value in values], color=colour, label=label)
        axes.set(title=title_of_third, xlabel="epoch")
        axes.legend(frameon=False)
    loss.plot(epochs, [metrics["loss"] for metrics in history], color="#444444", marker=".", markersize=3)
    loss.set(title=f"{title}: training loss", xlabel="epoch")
    if history[-1][measure] is not None:
        auc.plot(epochs, [metrics[f"{measure}_relaxed"] for metrics in history], color="#c98b2b", label="relaxed codes")
        auc.plot(epochs, [metrics[measure] for metrics in history], color="#2b5fc9", label="binary codes")
        best = max(history, key=lambda metrics: metrics[measure])
        auc.plot(best["epoch"], best[measure], "o", color="#2b5fc9", markersize=5)
        auc.annotate(
            f"{best[measure]:.4f}",
            (best["epoch"], best[measure]),
            (0, -14),
            textcoords="offset points",
            ha="center",
        )
        auc.legend(frameon=False, loc="lower right")
    auc.set(title=measured, xlabel="epoch")
    for axes in (loss, auc, *more):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
