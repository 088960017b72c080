"""Tables of rankings: results/iqon_ranking.json, those of bench_iqon_discrete.py, user_codes.json and recipe.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import results

COLUMNS = {
    "published pairs, AUC": ("pairs_random", "auc"),
    "pairs of the same time, AUC": ("pairs_matched", "auc"),
    "all bottoms, recall@20": ("full_bottom", "recall@20"),
    "all bottoms, NDCG@20": ("full_bottom", "ndcg@20"),
    "all outfits, recall@20": ("full_outfits", "recall@20"),
    "all outfits, NDCG@20": ("full_outfits", "ndcg@20"),
}
NAMES = {"no_user": "bits without the user", "no_item_pairs": "bits without item pairs"}


OURS = ("iqon_discrete", "iqon_attributes")
"""Files of bench_iqon_discrete.py, in the order of their rows."""


def iqon_ranking() -> str:
    """The model and every baseline by protocol: mean and, over several seeds, deviation."""
    protocols: dict[str, Any] = results.read("iqon_ranking")["figures"]["protocols"]
    for name in reversed(OURS):
        ours: dict[str, Any] = results.read(name)["figures"]["protocols"]
        protocols = {key: {"scorers": {**ours.get(key, {}), **of["scorers"]}} for key, of in protocols.items()}
    scorers = list(dict.fromkeys(name for of in protocols.values() for name in of["scorers"]))
    lines = ["|  | " + " | ".join(COLUMNS) + " |", "| --- |" + " --: |" * len(COLUMNS)]
    for name in scorers:
        cells = [
            _cell(protocols[protocol]["scorers"].get(name, {}).get(metric)) for protocol, metric in COLUMNS.values()
        ]
        lines.append(f"| {NAMES.get(name, name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


USERS = {
    "IQON3000, published pairs, AUC": ("IQON3000", "pairs_random auc"),
    "random, AUC": ("IQON3000", "rank_random_drawn auc"),
    "hard, AUC": ("IQON3000", "rank_hard_drawn auc"),
    "all bottoms, recall@20": ("IQON3000", "full_bottom recall@20"),
    "all outfits, recall@20": ("IQON3000", "full_outfits recall@20"),
    "sample, random, AUC": ("sample", "rank_random auc"),
    "sample, hard, AUC": ("sample", "rank_hard auc"),
    "made log of clicks, all outfits, recall@20": ("made log of clicks", "full_outfits recall@20"),
}


def user_codes() -> str:
    """What is kept of users, by data and metric: mean and deviation over the runs."""
    found = results.read("user_codes")["figures"]
    rows = {(row["form"], row["data"]): row["metrics"] for row in found["rows"]}
    times = found["milliseconds"]
    lines = ["| a user | bits | " + " | ".join(USERS) + " |", "| --- | --: |" + " --: |" * len(USERS)]
    for form in dict.fromkeys(form for form, _ in rows):
        bits = f"{times[form]['bits_a_user']:,}" if form in times else "4,096"
        cells = [_cell(rows[form, data].get(metric)) for data, metric in USERS.values()]
        lines.append(f"| {form if form in times else 'floats, and ' + form} | {bits} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def user_times() -> str:
    """Milliseconds of an exact top 10 by what is kept of users."""
    times = results.read("user_codes")["figures"]["milliseconds"]
    rows = [f"| {form} | {of['factored']:.1f} ms | {of['sums']:.1f} ms |" for form, of in times.items()]
    return "\n".join(["| a user | `factored` | `sums` |", "| --- | --: | --: |", *rows]) + "\n"


def recipe() -> str:
    """What `recipe: auto` reaches on a small data set, beside float models: mean and deviation over the seeds."""
    rows = results.read("recipe")["figures"]["rows"]
    alone = next(row["seconds"] for row in rows if not row["auc"])
    lines = ["| who scores | bits a user | seeds | random, AUC | hard, AUC | time |", "| --- |" + " --: |" * 5]
    for row in (row for row in rows if row["auc"]):
        time = "-" if row["seconds"] is None else f"{row['seconds'] / alone:.1f}x"
        bits = f"{row['bits']:,}" if row["bits"] else "-"
        auc = [_cell(row["auc"][name]) for name in ("rank_random", "rank_hard")]
        lines.append(f"| {row['name']} | {bits} | {row['seeds']} | {' | '.join(auc)} | {time} |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    mean = f"{value['mean']:.4f}".lstrip("0")
    return mean if value["std"] is None else f"{mean} ± {value['std']:.4f}".replace("± 0", "± ")


RANKINGS: dict[str, Callable[[], str]] = {
    "iqon-ranking": iqon_ranking,
    "recipe": recipe,
    "user-codes": user_codes,
    "user-times": user_times,
}
