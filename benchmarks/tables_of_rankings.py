"""The table of rankings of everything, drawn from results/iqon_ranking.json."""

from __future__ import annotations

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


def iqon_ranking() -> str:
    """The model and every baseline by protocol: mean and, over several seeds, deviation."""
    protocols: dict[str, Any] = results.read("iqon_ranking")["figures"]["protocols"]
    scorers = list(dict.fromkeys(name for of in protocols.values() for name in of["scorers"]))
    lines = ["|  | " + " | ".join(COLUMNS) + " |", "| --- |" + " --: |" * len(COLUMNS)]
    for name in scorers:
        cells = [
            _cell(protocols[protocol]["scorers"].get(name, {}).get(metric)) for protocol, metric in COLUMNS.values()
        ]
        lines.append(f"| {NAMES.get(name, name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    mean = f"{value['mean']:.4f}".lstrip("0")
    return mean if value["std"] is None else f"{mean} ± {value['std']:.4f}".replace("± 0", "± ")
