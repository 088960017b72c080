"""The rows of a comparison as text, Markdown, LaTeX (booktabs) and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from fashion_hash.evaluation.studies.comparison import Row

ALPHA = 0.05
SEEDS, USERS = "*", "†"
WIDTH = 120
"""The most characters of a line of the text table."""
LOWER = ("mean_rank",)
"""Metrics of which the lowest value is the best."""
LEGEND = (
    f"{SEEDS} differs from it over seeds (paired t-test), {USERS} over users (Wilcoxon): p < {ALPHA} after Holm's "
    "correction over the variants"
)
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}"},  # in text they are other characters
    "[": "{[}",  # at the beginning of a line it would be an option of the \\ before it
}


class Grid:
    """Variants by figures.

    Args:
        rows: of `comparison.compare`.
        against: the variant that the others are compared with.
    """

    def __init__(self, rows: Sequence[Row], against: str) -> None:
        self.rows = list(rows)
        self.against = against
        self.variants = list(dict.fromkeys(row.variant for row in rows))
        self.figures = list(dict.fromkeys(row.figure for row in rows))
        self._of = {(row.variant, row.figure): row for row in rows}

    def row(self, variant: str, figure: str) -> Row | None:
        """The row of a variant and a figure; None where it was not measured."""
        return self._of.get((variant, figure))

    def is_best(self, row: Row) -> bool:
        """Whether no other variant has a better mean: a higher one, except for what counts places."""
        means = [other.mean for other in self.rows if other.figure == row.figure]
        return row.mean <= min(means) if row.figure.endswith(LOWER) else row.mean >= max(means)

    def note(self) -> str:
        """One line that says what the numbers are."""
        seeds = sorted({seed for row in self.rows for seed in row.values})
        users = sorted({row.over_users.n for row in self.rows if row.over_users is not None})
        of_users = "" if not users else f"; {'-'.join(str(n) for n in dict.fromkeys((users[0], users[-1])))} users"
        spread = "mean ± standard deviation (n - 1)" if len(seeds) > 1 else "one run each"
        named = "seeds" if len(seeds) > 1 else "seed"
        return f"{spread}; {named} {', '.join(map(str, seeds))}{of_users}; compared with {self.against}"


def marks(row: Row) -> str:
    """The signs of the tests that a row passes."""
    by_seeds = row.over_seeds is not None and row.over_seeds.holm is not None and row.over_seeds.holm < ALPHA
    by_users = row.over_users is not None and row.over_users.holm is not None and row.over_users.holm < ALPHA
    return SEEDS * by_seeds + USERS * by_users


def as_text(grid: Grid) -> str:
    """An aligned table for a terminal, in blocks of figures that fit into `WIDTH`, then the tests."""
    head = ["", *grid.figures]
    width = max((len(marks(row)) for row in grid.rows), default=0)  # so that the numbers stand below each other

    def cell(row: Row, best: bool) -> str:
        spread = "" if row.deviation is None else f" ± {row.deviation:.4f}"
        return f"{row.mean:.4f}{spread}{marks(row):{width}}"

    cells = [[variant, *_cells(grid, variant, cell)] for variant in grid.variants]
    return "\n".join([*_blocks([head, *cells]), "", grid.note(), LEGEND, "", *_tests(grid), ""])


def as_markdown(grid: Grid) -> str:
    """A Markdown table; the best of each figure is bold."""
    lines = [["", *grid.figures], ["---", *["--:"] * len(grid.figures)]]
    for variant in grid.variants:
        lines.append([_escaped(variant), *_cells(grid, variant, _bold)])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\n{_escaped(grid.note())}. {LEGEND.replace('*', chr(92) + '*', 1)}.\n"


def as_latex(grid: Grid) -> str:
    """A LaTeX table for the package booktabs."""
    lines = [
        f"% {grid.note()}",
        f"% {LEGEND}",
        "% \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'r' * len(grid.figures)}}}",
        "\\toprule",
        " & ".join(["", *map(_latex, grid.figures)]) + r" \\",
        "\\midrule",
    ]
    for variant in grid.variants:
        lines.append(" & ".join([_latex(variant), *_cells(grid, variant, _latex_cell)]) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


HEAD = (
    *("variant", "figure", "seeds", "mean", "deviation", "difference", "t_seeds", "t_p", "t_holm"),
    *("users", "users_difference", "users_low", "users_high", "wilcoxon_p", "wilcoxon_holm"),
)


def as_csv(grid: Grid) -> str:
    """A line for each variant and figure, with everything that was computed; empty where there is nothing."""
    lines: list[list[object]] = []
    for row in grid.rows:
        t, w = row.over_seeds, row.over_users
        over_seeds = ["", "", "", ""] if t is None else [t.difference, t.n, t.p, t.holm]
        over_users = [""] * 6 if w is None else [w.n, w.difference, w.low, w.high, w.p, w.holm]
        lines.append([row.variant, row.figure, len(row.values), row.mean, row.deviation, *over_seeds, *over_users])
    return _csv(HEAD, lines)


def values_as_csv(grid: Grid) -> str:
    """A line for each variant, figure and seed."""
    lines = [[row.variant, row.figure, seed, value] for row in grid.rows for seed, value in row.values.items()]
    return _csv(("variant", "figure", "seed", "value"), lines)


def _csv(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(["" if value is None else value for value in line] for line in lines)
    return stream.getvalue()


def _cells(grid: Grid, variant: str, cell: Callable[[Row, bool], str]) -> list[str]:
    rows = (grid.row(variant, figure) for figure in grid.figures)
    return ["-" if row is None else cell(row, grid.is_best(row)) for row in rows]


def _bold(row: Row, best: bool) -> str:
    spread = "" if row.deviation is None else f" ± {row.deviation:.4f}"
    number = f"{row.mean:.4f}{spread}"
    return (f"**{number}**" if best else number) + marks(row).replace("*", r"\*")


def _latex_cell(row: Row, best: bool) -> str:
    spread = "" if row.deviation is None else rf" \pm {row.deviation:.4f}"
    number = rf"\mathbf{{{row.mean:.4f}}}{spread}" if best else f"{row.mean:.4f}{spread}"
    signs = marks(row).replace("*", r"\ast").replace("†", r"\dagger")
    return f"${number}^{{{signs}}}$" if signs else f"${number}$"


def _tests(grid: Grid) -> list[str]:
    """A line for each comparison: the difference, n and p of both tests."""
    lines = [["against " + grid.against, "figure", "seeds", "difference", "p", "Holm", "users", "95 %", "p", "Holm"]]
    for row in grid.rows:
        t, w = row.over_seeds, row.over_users
        if t is None:
            continue
        over_users = ["-"] * 4
        if w is not None:
            over_users = [f"{w.n:,}", f"{w.low:+.4f} to {w.high:+.4f}", _p(w.p), _p(w.holm)]
        lines.append([row.variant, row.figure, str(t.n), f"{t.difference:+.4f}", _p(t.p), _p(t.holm), *over_users])
    return _aligned(lines, left=2) if len(lines) > 1 else []


def _p(value: float | None) -> str:
    return "-" if value is None else "<.0001" if value < 1e-4 else f"{value:.4f}"


def _blocks(lines: Sequence[Sequence[str]]) -> list[str]:
    """Aligned lines, in blocks of columns that fit into `WIDTH`; each begins with the first column."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    blocks: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        if blocks[-1] and widths[0] + sum(2 + widths[place] for place in [*blocks[-1], column]) > WIDTH:
            blocks.append([])
        blocks[-1].append(column)
    texts = [_aligned([[line[0], *(line[column] for column in block)] for line in lines]) for block in blocks]
    return [line for number, text in enumerate(texts) for line in ([""] * (number > 0) + text)]


def _aligned(lines: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    ]


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "|*_<`\\" else character for character in text)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
