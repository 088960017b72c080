"""Variants compared over seeds and over users: mean and deviation, paired tests, Holm's correction.

Two questions are asked of each figure, and each has its own unit:

* over seeds: would another seed say the same? The figures of a variant and of the one it is compared with are paired by
  their seed; a paired t-test. With three seeds it finds only large differences.
* over users: would other users say the same? Each user has one value, the mean over the seeds that both variants have;
  Wilcoxon's signed-rank test, and a bootstrap interval of the mean difference, which draws users. Seeds are taken as
  they are.

p-values of one figure are corrected over all variants that are compared with the same one (Holm, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class Measured:
    """One trained and measured run.

    Attributes:
        variant: its name.
        seed: of the run.
        figures: by name, such as "rank_random auc".
        users: by figure, the value of each user by id; figures without a value for each user are absent.
    """

    variant: str
    seed: int
    figures: Mapping[str, float]
    users: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class OverSeeds:
    """A paired t-test over seeds: how many there are, the mean difference, p and p after Holm's correction."""

    n: int
    difference: float
    p: float | None = None
    holm: float | None = None


@dataclass(frozen=True)
class OverUsers:
    """Wilcoxon's test over users: how many, the mean difference, its 95 % bootstrap interval, p and p after Holm."""

    n: int
    difference: float
    low: float
    high: float
    p: float
    holm: float | None = None


@dataclass(frozen=True)
class Row:
    """A figure of a variant.

    Attributes:
        variant: its name.
        figure: its name.
        values: of each seed.
        mean: over seeds.
        deviation: the standard deviation over seeds (n - 1); None with a single seed.
        over_seeds: compared with the first variant; None for that one itself, or without a common seed.
        over_users: likewise; None without values of users.
    """

    variant: str
    figure: str
    values: Mapping[int, float]
    mean: float
    deviation: float | None
    over_seeds: OverSeeds | None = None
    over_users: OverUsers | None = None


def compare(measured: Sequence[Measured], against: str, seed: int = 0) -> list[Row]:
    """A row for each variant and figure, in the order in which they come.

    Args:
        measured: the runs.
        against: the variant that the others are compared with.
        seed: of the bootstrap.
    """
    variants = list(dict.fromkeys(run.variant for run in measured))
    figures = list(dict.fromkeys(name for run in measured for name in run.figures))
    rows = []
    for figure in figures:
        of_figure = []
        base = [run for run in measured if run.variant == against and figure in run.figures]
        for variant in variants:
            runs = [run for run in measured if run.variant == variant and figure in run.figures]
            if runs:
                of_figure.append(_row(figure, runs, [] if variant == against else base, seed))
        rows += _corrected(of_figure)
    order = {variant: place for place, variant in enumerate(variants)}
    return sorted(rows, key=lambda row: order[row.variant])


def _row(figure: str, runs: Sequence[Measured], base: Sequence[Measured], seed: int) -> Row:
    values = {run.seed: run.figures[figure] for run in runs}
    numbers = list(values.values())
    deviation = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
    row = Row(runs[0].variant, figure, values, float(np.mean(numbers)), deviation)
    common = sorted({run.seed for run in runs} & {run.seed for run in base})
    if not common:
        return row
    differences = np.array([values[number] - _of(base, number).figures[figure] for number in common])
    over_users = _over_users(figure, [_of(runs, at) for at in common], [_of(base, at) for at in common], seed)
    return replace(row, over_seeds=over_seeds(differences), over_users=over_users)


def _of(runs: Sequence[Measured], seed: int) -> Measured:
    return next(run for run in runs if run.seed == seed)


def over_seeds(differences: Floats) -> OverSeeds:
    """The paired t-test of differences (n,), one for each seed; without a p where they do not vary or are alone."""
    n, mean = len(differences), float(differences.mean())
    if n < 2 or math.isclose(float(np.ptp(differences)), 0.0, abs_tol=1e-15):
        return OverSeeds(n, mean)
    return OverSeeds(n, mean, float(stats.ttest_1samp(differences, 0.0).pvalue))


def _over_users(figure: str, runs: Sequence[Measured], base: Sequence[Measured], seed: int) -> OverUsers | None:
    """Users with a value in all of the runs are the units; None without any."""
    tables = [run.users.get(figure, {}) for run in (*runs, *base)]
    users = sorted(set(tables[0]).intersection(*tables[1:]))
    if not users:
        return None
    means = [np.mean([[run.users[figure][user] for user in users] for run in part], axis=0) for part in (runs, base)]
    return over_users(means[0] - means[1], seed)


def over_users(differences: Floats, seed: int) -> OverUsers:
    """Wilcoxon's signed-rank test of differences (n,), one for each user, and the interval of their mean."""
    n, mean = len(differences), float(differences.mean())
    if not differences.any() or n < 2:
        return OverUsers(n, mean, mean, mean, 1.0)
    p = float(stats.wilcoxon(differences, zero_method="zsplit").pvalue)
    rng = np.random.default_rng(seed)
    means = np.array([differences[rng.integers(n, size=n)].mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(means, [0.025, 0.975])
    return OverUsers(n, mean, float(low), float(high), p)


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """The rows of one figure with Holm's correction over their variants."""
    seeds = holm([None if row.over_seeds is None else row.over_seeds.p for row in rows])
    users = holm([None if row.over_users is None else row.over_users.p for row in rows])
    return [
        replace(
            row,
            over_seeds=None if row.over_seeds is None else replace(row.over_seeds, holm=by_seeds),
            over_users=None if row.over_users is None or by_users is None else replace(row.over_users, holm=by_users),
        )
        for row, by_seeds, by_users in zip(rows, seeds, users)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of the p-values that are there.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected
