"""The trials of a tuning as a table and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_hash.core.files import atomic_path, write_text

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def write_history(out: Path, trials: Sequence[FrozenTrial], keys: Sequence[str]) -> None:
    """Writes history.csv and history.png.

    Args:
        out: the folder.
        trials: those that have ended, in order.
        keys: what is searched.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["trial", "state", "criterion", "epochs", "seconds", *keys])
    for trial in trials:
        reached = trial.intermediate_values
        value = trial.value if trial.value is not None else max(reached.values(), default="")
        seconds = "" if trial.duration is None else round(trial.duration.total_seconds(), 1)
        settings = [trial.params.get(key, "") for key in keys]
        writer.writerow([trial.number, trial.state.name.lower(), value, len(reached), seconds, *settings])
    write_text(out / "history.csv", stream.getvalue())
    draw_history(out / "history.png", trials)


def draw_history(path: Path, trials: Sequence[FrozenTrial]) -> None:
    """Draws the criterion of each trial, the best so far, and the epochs of every trial; replaces `path`."""
    # imported here, because it takes a second
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    by_trial, by_epoch = figure.subplots(1, 2, sharey=True)
    complete = [trial for trial in trials if trial.state.name == "COMPLETE" and trial.value is not None]
    pruned = [trial for trial in trials if trial.state.name == "PRUNED" and trial.intermediate_values]
    values = [float(trial.value) for trial in complete if trial.value is not None]
    numbers = [trial.number for trial in complete]
    by_trial.plot(numbers, values, "o", color="#2b5fc9", markersize=4, label="finished")
    best = [max(values[: place + 1]) for place in range(len(values))]
    by_trial.step(numbers, best, where="post", color="#444444", linewidth=1, label="best so far")
    reached = [max(trial.intermediate_values.values()) for trial in pruned]
    by_trial.plot([trial.number for trial in pruned], reached, "x", color="#c98b2b", markersize=5, label="pruned")
    by_trial.set(title="validation criterion of each trial", xlabel="trial")
    by_trial.legend(frameon=False)
    for trial in trials:
        steps = sorted(trial.intermediate_values.items())
        colour = "#c98b2b" if trial in pruned else "#2b5fc9"
        by_epoch.plot([step for step, _ in steps], [value for _, value in steps], color=colour, alpha=0.5, linewidth=1)
    by_epoch.set(title="by epoch", xlabel="epoch")
    for axes in (by_trial, by_epoch):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
