"""What bench_distillation found, as Markdown tables and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distillation_runs import FHN

from fashion_hash.core.files import atomic_path


def print_tables(found: Mapping[str, Any]) -> None:
    """Everything that was measured."""
    if rows := found.get("ablation"):
        _print_ablation(found, rows)
    if size := found.get("sizes"):
        _print_sizes(size)
    if swept := found.get("sweep"):
        print(f"\n{found['data']}, validation AUC of the best epoch, seed {found['seeds'][0]}\n")
        _print_row(["of", "changed", "binary", "float"])
        _print_row(["---"] * 4)
        for part, settings in swept.items():
            for one in settings:
                what = " ".join(one["changes"]) or FHN
                _print_row([part, what, f"{one['binary']:.4f}", f"{one['float']:.4f}"])


def _print_ablation(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(rows[0]["figures"])
    print(f"\n{found['data']}, test split, seeds {found['seeds']}: mean ± standard deviation\n")
    _print_row(["", "form", *names])
    _print_row(["---"] * (2 + len(names)))
    for row in rows:
        _print_row([row["case"], row["form"], *(_cell(one["mean"], one["std"]) for one in row["figures"].values())])
    print("\ngain over the student alone in the same form (in pooled standard deviations)\n")
    _print_row(["", "form", "over", *names])
    _print_row(["---"] * (3 + len(names)))
    for row in rows:
        if "gain" in row:
            _print_row([row["case"], row["form"], row["over"], *(_gain(one) for one in row["gain"].values())])
    over_plain = [row for row in rows if "gain_over_plain" in row]
    if over_plain:
        print("\ngain of calibrated bits over plain binary FHN (in pooled standard deviations)\n")
        _print_row(["", "form", *names])
        _print_row(["---"] * (2 + len(names)))
        for row in over_plain:
            _print_row([row["case"], row["form"], *(_gain(one) for one in row["gain_over_plain"].values())])


def _print_sizes(size: Mapping[str, Any]) -> None:
    names = ["parameters", "MB", "bits an outfit", "bits a user", "microseconds an outfit", "training seconds"]
    print()
    _print_row(["", "network", "answers in", *names])
    _print_row(["---"] * (3 + len(names)))
    for row in size["models"]:
        numbers = [
            f"{row['parameters']:,}",
            f"{row['bytes'] / 1e6:.1f}",
            f"{row['bits_an_outfit']:,}",
            f"{row['bits_a_user']:,}",
            f"{row['microseconds_an_outfit']:.1f}",
            f"{row['training_seconds']:.0f}",
        ]
        _print_row([row["model"], row["what"], row["answers_in"], *numbers])
    ratios = size["epoch_with_teacher_over_alone"]
    said = ", ".join(f"{ratio:.2f} x ({case})" for case, ratio in ratios.items())
    print(f"\nan epoch with a teacher ({size['teacher']}) takes {said} one of FHN alone")


def _print_row(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |")


def _cell(mean: float, std: float | None) -> str:
    return f"{mean:.4f}" + ("" if std is None else f" ± {std:.4f}")


def _gain(gain: Mapping[str, float | None]) -> str:
    in_std = gain["in_std"]
    return f"{gain['mean']:+.4f}" + ("" if in_std is None else f" ({in_std:+.1f})")


def draw_sweep(path: Path, title: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Validation AUC of binary codes over alpha and over the weights of soft pairs and views; replaces `path`.

    What lies far below FHN alone is told in words: beside it the rest would be one line.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3, sharey=True)
    parts = (
        ("teacher", "alpha", "FND"),
        ("pairs", "weight of the soft pairs", "soft pairs"),
        ("views", "weight of the contrastive loss", "CL"),
    )
    alone = found["alone"][0]["binary"]
    best = max(one["binary"] for settings in found.values() for one in settings)
    floor = alone - max(2 * (best - alone), 0.01)
    for axes, (part, label, what) in zip(panels, parts):
        curves: dict[str, list[tuple[float, float]]] = {}
        for one in found[part]:
            settings = dict(change.split("=", 1) for change in one["changes"])
            if part == "teacher":
                clipped = ", clipped" if settings["teacher.clip"] == "true" else ""
                name, at = f"sigma {int(settings['teacher.sigma']):+d}{clipped}", float(settings["teacher.alpha"])
            elif part == "pairs":
                name, at = "alpha 0", float(settings["teacher.pairs"])
            else:
                name = settings["contrastive.views"].strip("[]").replace(",", " + ")
                at = float(settings["contrastive.weight"])
            curves.setdefault(name, []).append((at, one["binary"]))
        for name, points in curves.items():
            axes.plot(*zip(*points), marker="o", markersize=4, label=name)
        below = [f"{name} at {at:g}: {value:.3f}" for name, of in curves.items() for at, value in of if value < floor]
        axes.text(0.02, 0.02, "\n".join(below), transform=axes.transAxes, fontsize=8, va="bottom")
        axes.axhline(alone, color="#888888", linestyle="--", label="FHN alone")
        axes.set_xscale("log")
        axes.set(xlabel=label, title=f"{title}: {what}")
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("validation AUC, binary codes")
    panels[0].set_ylim(bottom=floor)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
