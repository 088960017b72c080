"""Counts what stands above and beside positives in long lists of scores, and walks long ties; nothing is sorted."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def count_places(scores, first, positives, known, counts, k, shown, missed):  # type: ignore[no-untyped-def]
    """Counts the places of the positives of B lists, and notes what the first k of each list show.

    Args:
        scores: (B, N) floats.
        first: the number of the list in the first row of `scores`.
        positives: the rows of the positives of every list, `lists.Rows`.
        known: the rows that are no candidates, `lists.Rows`.
        counts: (2, P) written: for each positive the candidates that score higher, and those that score the same,
            itself included.
        k: the length of a list that is shown.
        shown: (N,) bool, written: True where a candidate is certainly among the first k of a list.
        missed: (N,) float64, written: the log of the chance that no list shows a candidate that is tied with others
            at place k is added.

    Returns:
        -1, or the number of a list that has a NaN among its scores.
    """
    size = scores.shape[1]
    line = np.empty(size, dtype=scores.dtype)
    best = np.empty(k, dtype=scores.dtype)
    for row in range(len(scores)):
        number = first + row
        faults = 0
        for j in range(size):
            line[j] = scores[row, j]
            faults += line[j] != line[j]
        if faults:
            return number
        candidates = size
        for place in range(known.starts[number], known.starts[number + 1]):
            line[known.rows[place]] = np.nan  # greater than nothing and equal to nothing
            candidates -= 1
        for place in range(positives.starts[number], positives.starts[number + 1]):
            score = line[positives.rows[place]]
            higher, same = 0, 0
            for j in range(size):
                higher += line[j] > score
                same += line[j] == score
            counts[0, place], counts[1, place] = higher, same
        _note_shown(line, candidates, best, shown, missed)
    return -1


@njit(nogil=True, cache=True)
def _note_shown(line, candidates, best, shown, missed):  # type: ignore[no-untyped-def]
    """Notes what the first k of one list show; `best` is (k,) space."""
    k = len(best)
    if candidates <= k:
        for j in range(len(line)):
            if line[j] == line[j]:
                shown[j] = True
        return
    filled = 0
    for j in range(len(line)):  # the k best, ascending, by insertion: few candidates get in
        score = line[j]
        if filled < k:
            if score != score:
                continue
            place = filled
            while place > 0 and best[place - 1] > score:
                best[place] = best[place - 1]
                place -= 1
            best[place] = score
            filled += 1
        elif score > best[0]:
            place = 0
            while place + 1 < k and best[place + 1] < score:
                best[place] = best[place + 1]
                place += 1
            best[place] = score
    cut, higher, same = best[0], 0, 0
    for j in range(len(line)):
        higher += line[j] > cut
        same += line[j] == cut
    left = np.log1p(-(k - higher) / same) if k - higher < same else 0.0
    for j in range(len(line)):
        if line[j] > cut or (left == 0.0 and line[j] == cut):
            shown[j] = True
        elif line[j] == cut:
            missed[j] += left


@njit(nogil=True, cache=True)
def first_of_tied(above, size, positives):  # type: ignore[no-untyped-def]
    """The expected 1 / (place of the first positive), where positives stand at random among candidates that are tied.

    The first of r positives among n candidates is at place j with the chance C(n - j, r - 1) / C(n, r), which is r / n
    at j = 1 and (n - j - r + 1) / (n - j) times as much at j + 1.

    Args:
        above: (G,) candidates above those that are tied.
        size: (G,) candidates that are tied: n.
        positives: (G,) positives among them: r, 1 to n.

    Returns:
        (G,) float64.
    """
    values = np.empty(len(size), dtype=np.float64)
    for group in range(len(size)):
        before, n, r = above[group], size[group], positives[group]
        chance = r / n
        total = chance / (before + 1)
        for place in range(1, n - r + 1):
            chance *= (n - place - r + 1) / (n - place)
            term = chance / (before + place + 1)
            total += term
            if term * n < 1e-18 * total:  # terms only get smaller: what is left changes no digit
                break
        values[group] = total
    return values
