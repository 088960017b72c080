"""A comparison as a picture: the mean, the deviation and each seed of every variant."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.core.files import atomic_path
from fashion_hash.evaluation.studies.tables import Grid

MOST_PANELS = 6
_BLUE, _GREY, _SEED = "#2b5fc9", "#888888", "#c98b2b"


def pictured(figures: Sequence[str]) -> list[str]:
    """The figures that have a panel: of many the first of each protocol, full rankings before questions for a slot."""
    met: Counter[str] = Counter()
    order = []
    for place, name in enumerate(figures):
        protocol = name.rpartition(" ")[0]
        order.append((met[protocol], protocol.startswith("retrieval_"), place))
        met[protocol] += 1
    return [figures[place] for place in sorted(key[-1] for key in sorted(order)[:MOST_PANELS])]


def draw_study(path: Path, title: str, grid: Grid) -> None:
    """Draws a panel for each figure, at most six (see `pictured`), with a line for each variant; replaces `path`.

    Args:
        path: the PNG.
        title: above the panels.
        grid: of the comparison.
    """
    # imported here, because it takes a second
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figures = pictured(grid.figures)
    columns = 2 if len(figures) == 4 else min(3, len(figures))
    lines = -(-len(figures) // columns)
    height = 1.1 + 0.32 * len(grid.variants)
    figure = Figure(figsize=(2.4 + 3.3 * columns, height * lines + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    places = {variant: -number for number, variant in enumerate(grid.variants)}
    for axes, name in zip(panels, figures):
        for variant, place in places.items():
            row = grid.row(variant, name)
            if row is None:
                continue
            colour = _GREY if variant == grid.against else _BLUE
            axes.plot(list(row.values.values()), [place] * len(row.values), "|", color=_SEED, markersize=9)
            axes.errorbar(row.mean, place, xerr=row.deviation, fmt="o", color=colour, markersize=5, capsize=3)
            if variant == grid.against:
                axes.axvline(row.mean, color=_GREY, linestyle="--", linewidth=0.8)
        axes.set(title=name)
        axes.set_yticks(list(places.values()), [textwrap.shorten(variant, 40, placeholder="…") for variant in places])
        axes.margins(y=0.6 / max(1, len(places)))
        axes.tick_params(axis="x", labelsize=8)
        axes.locator_params(axis="x", nbins=5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    for axes in panels[len(figures) :]:
        axes.set_visible(False)
    figure.suptitle(f"{title}: mean, standard deviation and each seed; dashed: {grid.against}", fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
