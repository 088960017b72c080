"""Whatever is given as a filter, an option, an item, an outfit or a user ends in an answer or a documented error."""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fashion_hash.errors import FashionHashError
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.generations import write_generation

CASES = int(os.environ.get("FUZZ_CASES", "2000"))
COLUMNS = ["price", "title", "top", "shoe", "any", "not", "columns", "total", "colour", ""]
OPERATORS = ["=", "!=", "<", ">=", "in", "not in", "contains", "overlaps", "exists", "~"]
KEYS = ["item_id", "type", "price", "title", "code", "bias", "features", "image", "picture", "top", "top_2", "shoe"]

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(2**63), 2**64, 0, 1, -1]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["top-0", "top-1", "shoe-1", "user-1", "outfit-000001", "top", "shoe", "\ud800", "\0", "x" * 10_000]
    ),
    st.binary(max_size=4),
    st.sampled_from(
        [date(2026, 1, 1), np.float32("nan"), np.int8(3), np.arange(3), np.array(["a"]), {1, 2}, object(), 1j]
    ),
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from([*COLUMNS, *OPERATORS, *KEYS]), inner, max_size=3),
    ),
    max_leaves=6,
)
filters = st.dictionaries(
    st.sampled_from(COLUMNS),
    st.one_of(values, st.dictionaries(st.sampled_from(OPERATORS), values, max_size=2)),
    max_size=3,
)
options = st.fixed_dictionaries(
    {},
    optional={
        "where": st.one_of(filters, values),
        "diversity": values,
        "max_per": st.one_of(values, st.dictionaries(st.sampled_from(["item", "outfit", "top"]), values, max_size=2)),
        "include_liked": values,
    },
)
items = st.lists(st.dictionaries(st.sampled_from(KEYS), values, max_size=4), max_size=2)

CALLS: dict[str, Callable[..., Any]] = {
    "recommend": lambda r, a: r.recommend(a["user"], a["k"], **a["options"]),
    "compose": lambda r, a: r.compose(a["user"], a["k"], **{k: v for k, v in a["options"].items() if k != "diversity"}),
    "complete": lambda r, a: r.complete(a["user"], a["value"], a["k"]),
    "similar_items": lambda r, a: r.similar_items(a["value"], a["k"]),
    "explain": lambda r, a: r.explain(a["user"], a["value"]),
    "score": lambda r, a: r.score(a["user"], a["value"]),
    "liked": lambda r, a: r.liked(a["value"]),
    "add_items": lambda r, a: r.add_items(a["items"]),
    "update_items": lambda r, a: r.update_items(a["items"]),
    "remove_items": lambda r, a: r.remove_items(a["value"]),
    "hide_items": lambda r, a: r.hide_items(a["value"]),
    "add_outfits": lambda r, a: r.add_outfits(a["value"]),
    "remove_outfits": lambda r, a: r.remove_outfits(a["value"]),
    "add_user": lambda r, a: r.add_user(a["user"], liked=a["value"]),
    "update_user": lambda r, a: r.update_user(a["user"], disliked=a["value"]),
    "remove_user": lambda r, a: r.remove_user(a["value"]),
}
arguments = st.fixed_dictionaries(
    {
        "user": st.one_of(st.sampled_from(["user-0", "user-1", None]), values),
        "k": st.one_of(st.integers(1, 5), values),
        "options": options,
        "value": values,
        "items": st.one_of(items, values),
    }
)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    path = tmp_path_factory.mktemp("arguments") / "bundle"
    write_generation(path)
    return Recommender.load(path)


def wrong(recommender: Recommender, call: str, drawn: dict[str, Any]) -> str:
    """What is wrong with how a call ended, or ""."""
    try:
        CALLS[call](recommender, copy.copy(drawn))
    except FashionHashError as error:
        return "a long message" if len(str(error)) >= 2_000 else ""
    except TypeError as error:  # of a wrong type of argument, where the package says so
        last = traceback.extract_tb(error.__traceback__)[-1]
        raised = "/fashion_hash/" in last.filename and (last.line or "").startswith("raise")
        return "" if raised else "".join(traceback.format_exception(error))
    return ""


relaxed = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=20, derandomize=True, database=None, deadline=None, suppress_health_check=relaxed)
@given(call=st.sampled_from(list(CALLS)), drawn=arguments)
def test_some_arguments(recommender: Recommender, call: str, drawn: dict[str, Any]) -> None:
    assert not wrong(recommender, call, drawn)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_many_arguments(recommender: Recommender, call: str) -> None:
    @settings(max_examples=CASES, deadline=5_000, suppress_health_check=relaxed)
    @given(drawn=arguments)
    def ask(drawn: dict[str, Any]) -> None:
        assert not wrong(recommender, call, drawn)

    ask()
