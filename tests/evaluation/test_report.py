from __future__ import annotations

import json

import pytest

from fashion_hash.errors import QueryError
from fashion_hash.evaluation.report import report, table

STATEMENTS = {"rank_random": "shop, test: 10 random negatives", "fitb": "shop, test: 4 candidates"}


def ranked(auc: float, **other: float) -> dict[str, float]:
    return {
        "auc": auc,
        "ndcg_at_10": auc / 2,
        "users": 1200,
        "rows": 23054,
        "negatives_per_positive": 10,
    } | other


RESULTS = {
    "chance": {"rank_random": ranked(0.5), "fitb": {"accuracy": 0.25, "rows": 7}},
    "relaxed": {"rank_random": ranked(0.91, mrr=0.7), "fitb": {"accuracy": 0.6, "rows": 7}},
    "binary": {"rank_random": ranked(0.90), "fitb": {"accuracy": 0.58, "rows": 7}},
    "no_user": {"rank_random": ranked(0.71)},
}


def test_the_object_has_model_forms_and_baselines_under_each_protocol() -> None:
    made = report(RESULTS, STATEMENTS, dataset="shop", split="test", num_bits=128)
    assert made == json.loads(json.dumps(made, allow_nan=False))
    assert made["protocols"] == {
        "rank_random": {
            "statement": "shop, test: 10 random negatives",
            "relaxed": RESULTS["relaxed"]["rank_random"],
            "binary": RESULTS["binary"]["rank_random"],
            "baselines": {name: RESULTS[name]["rank_random"] for name in ("chance", "no_user")},
        },
        "fitb": {
            "statement": "shop, test: 4 candidates",
            "relaxed": {"accuracy": 0.6, "rows": 7},
            "binary": {"accuracy": 0.58, "rows": 7},
            "baselines": {"chance": {"accuracy": 0.25, "rows": 7}},
        },
    }
    assert (made["dataset"], made["split"], made["num_bits"]) == ("shop", "test", 128)


def test_the_table_reads_in_columns() -> None:
    expected = """\
shop, test, 128 bits

rank_random
  shop, test: 10 random negatives
  rows 23,054, users 1,200, negatives per positive 10
              auc  ndcg@10     mrr
  relaxed  0.9100   0.4550  0.7000
  binary   0.9000   0.4500       -
  chance   0.5000   0.2500       -
  no_user  0.7100   0.3550       -

fitb
  shop, test: 4 candidates
  rows 7
           accuracy
  relaxed    0.6000
  binary     0.5800
  chance     0.2500
"""
    assert table(report(RESULTS, STATEMENTS, dataset="shop", split="test", num_bits=128)) == expected


def test_a_float_model_has_neither_binary_nor_bits() -> None:
    made = report({"relaxed": RESULTS["relaxed"]}, STATEMENTS, dataset="shop", split="valid", num_bits=None)
    assert "binary" not in made["protocols"]["fitb"]
    assert made["num_bits"] is None
    assert table(made).startswith("shop, valid\n")


def test_figures_that_cannot_be_compared_are_refused() -> None:
    other = RESULTS | {"binary": {"rank_random": ranked(0.9, negatives_per_positive=1)}}
    with pytest.raises(QueryError, match="negatives_per_positive is 10 for chance but 1 for binary"):
        report(other, STATEMENTS, dataset="shop", split="test", num_bits=8)
    with pytest.raises(QueryError, match="protocol 'fitb' has no statement"):
        report(RESULTS, {"rank_random": "x"}, dataset="shop", split="test", num_bits=8)
