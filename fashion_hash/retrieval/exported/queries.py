"""The SQL that scores outfits for a user over the tables of `exported/tables.py`, exactly as index/exact.py does.

A weighted inner product of codes is a sum over their bits, and SQL has no vectors of weights. But an integer weight
is a sum of powers of two: w = sum over p of 2^p * b_p, so that with masks m_p of the bits whose weight has b_p set

    sum over bits of  w * [codes agree]  =  sum over p of  2^p * bit_count(agree & m_p)

and the inner product is twice that, less the sum of the weights. Where there are fewer distinct weights than powers of
two, the sum goes over them: equal weights take one bit count. Everything up to the last division is an integer, so that
scores are those of the bundle to the last bit.

A user who is more than bits has an integer for each bit in place of the weight and the sign. Their masks are columns
of the user (plane_1 and so on, which the steps of `plane_steps` are added for), compared with the code alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.core.outfits import slot_pairs

Engine = Literal["postgres", "duckdb"]


class Plane(NamedTuple):
    """The bits, (D,) bool, that one step is added for."""

    step: int
    mask: np.ndarray


def planes(weights: np.ndarray) -> list[Plane]:
    """Integer weights, (D,), as sums of steps; a bit weighs the sum of the steps in whose mask it is."""
    wide = weights.astype(np.int64)
    used = range(max(int(weight).bit_length() for weight in wide.tolist()))
    powers = [Plane(1 << power, (wide >> power) & 1 == 1) for power in used]
    powers.append(Plane(-(1 << len(powers)), wide < 0))  # two's complement
    values = [Plane(value, wide == value) for value in np.unique(wide).tolist()]
    return min(([plane for plane in way if plane.step and plane.mask.any()] for way in (powers, values)), key=len)


def plane_steps(weights: np.ndarray) -> list[int]:
    """What a bit in each plane of a user adds; no integer of a user is larger than the weight, (D,), of its bit."""
    powers = max(1, int(np.abs(weights.astype(np.int64)).max(initial=0)).bit_length())
    return [*(1 << power for power in range(powers)), -(1 << powers)]


class Queries:
    """Views and functions over the tables of a bundle, in the SQL of an engine.

    Args:
        bundle: that scores by codes.
        engine: for which database.
    """

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self._bundle = bundle
        self._engine = engine
        self._slots = range(1, len(bundle.slots) + 1)
        self._modalities = range(1, len(bundle.modalities) + 1)
        self._bits = len(bundle.modalities) * bundle.num_bits

    def text(self) -> str:
        """Statements that make, in this order, what the functions `outfit_scores` and `recommend` need, and them."""
        bundle = self._bundle
        of_user: dict[str, np.ndarray] = {}
        if bundle.user_form == "bits":
            of_user["preference_of"] = bundle.preference_weights
            if bundle.own is not None:
                of_user["own_preference_of"] = bundle.own.weights
        return "\n\n".join(
            [
                self._inner_product("compatibility_of", bundle.compatibility_weights),
                *(self._inner_product(name, weights) for name, weights in of_user.items()),
                self._outfit_items(),
                self._outfit_terms(),
                self._outfit_scores(),
                self._recommend(),
                "",
            ]
        )

    def _inner_product(self, name: str, weights: np.ndarray) -> str:
        """A function of the bits in which two codes agree, which returns their weighted inner product."""
        steps = [f"{step} * bit_count(agree & {self._literal(mask)})" for step, mask in planes(weights)]
        sums = "\n    + ".join(steps) or "0"
        total = int(weights.astype(np.int64).sum())
        if self._engine == "duckdb":
            return f"CREATE MACRO {name}(agree) AS\n  2 * ({sums})\n  - ({total});"
        return (
            f"CREATE FUNCTION {name}(agree bit) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE\n"
            f"RETURN 2 * ({sums})\n  - ({total});"
        )

    def _agree(self, first: str, second: str) -> str:
        return f"~({first} # {second})" if self._engine == "postgres" else f"~xor({first}, {second})"

    def _literal(self, mask: np.ndarray) -> str:
        bits = "".join("1" if bit else "0" for bit in mask.tolist())
        return f"B'{bits}'" if self._engine == "postgres" else f"'{bits}'::BIT"

    def _outfit_items(self) -> str:
        rows = "\n  UNION ALL ".join(
            f"SELECT outfit_no, {slot} AS slot, item_{slot} AS item_no FROM outfits WHERE item_{slot} IS NOT NULL"
            for slot in self._slots
        )
        return f"CREATE VIEW outfit_items AS\n  {rows};"

    def _outfit_terms(self) -> str:
        """What `outfits` holds beside its items, computed from the codes: for outfits that are added."""
        pairs = [(a + 1, b + 1) for a, b in slot_pairs(self._bundle.slots)]
        agreement = "\n    + ".join(
            "coalesce("
            + " + ".join(
                f"compatibility_of({self._agree(f'i{a}.code_{m}', f'i{b}.code_{m}')})" for m in self._modalities
            )
            + ", 0)"
            for a, b in pairs
        )
        num_items = " + ".join(f"(o.item_{slot} IS NOT NULL)::int" for slot in self._slots)
        num_pairs = " + ".join(f"(o.item_{a} IS NOT NULL AND o.item_{b} IS NOT NULL)::int" for a, b in pairs)
        bias = " + ".join(f"coalesce(i{slot}.bias::bigint, 0)" for slot in self._slots)
        joins = "".join(f"\n  LEFT JOIN items i{slot} ON i{slot}.item_no = o.item_{slot}" for slot in self._slots)
        if self._bundle.own is not None:
            bias += f" + ({num_items}) * coalesce(w.bias::bigint, 0)"
            joins += "\n  LEFT JOIN own_codes w ON w.own_no = o.own_no"
        return (
            f"CREATE VIEW outfit_terms AS\n  SELECT o.outfit_no,\n    {agreement or '0'} AS compatibility,\n"
            f"    {bias} AS bias,\n    {num_items} AS num_items,\n    {num_pairs or '0'} AS num_pairs\n"
            f"  FROM outfits o{joins};"
        )

    def _outfit_scores(self) -> str:
        bundle = self._bundle
        one = "coalesce((SELECT of_item FROM preferences)[o.item_{}], 0)"
        of_items = "\n        + ".join(one.format(slot) for slot in self._slots)
        codes = [f"code_{m}" for m in self._modalities]
        made = f"preferences AS MATERIALIZED ({self._sums('items', 'item_no', codes, 'preference_of', 'of_item')}\n  )"
        if bundle.own is not None:
            of_own = self._sums("own_codes", "own_no", ["code"], "own_preference_of", "of_outfit")
            made += f",\n  own AS MATERIALIZED ({of_own}\n  )"
            times = f"{len(bundle.modalities)} * o.num_items"
            of_items += f"\n        + {times} * coalesce((SELECT of_outfit FROM own)[o.own_no], 0)"
        columns = "".join(f", o.item_{slot}" for slot in self._slots)
        pairs = "greatest(o.num_pairs, 1)"
        query = f"""WITH asking AS MATERIALIZED (
    SELECT users.*, CASE WHEN personal THEN {bundle.preference_scale} ELSE 0 END AS scale
    FROM users
    WHERE user_no = CASE WHEN who IS NULL THEN 0 ELSE (SELECT u.user_no FROM users u WHERE u.user_id = who) END
  ),
  {made}
  SELECT o.outfit_no, o.outfit_id,
    (u.scale * (
        {of_items}
      ) * {pairs}
      + {bundle.compatibility_scale} * o.compatibility * o.num_items
      + {self._bits} * o.bias * {pairs})::float8
    / ({WEIGHT_ONE * self._bits}::bigint * o.num_items * {pairs})::float8 AS score,
    k.opinion{columns}
  FROM asking u CROSS JOIN outfits o
  LEFT JOIN opinions k ON k.user_no = (SELECT user_no FROM asking) AND k.outfit_no = o.outfit_no"""
        if self._engine == "duckdb":
            return f"CREATE MACRO outfit_scores(who) AS TABLE\n  {query};"
        listed = "".join(f", item_{slot} integer" for slot in self._slots)
        return (
            "CREATE FUNCTION outfit_scores(who text)\n"
            f"RETURNS TABLE (outfit_no integer, outfit_id text, score float8, opinion text{listed})\n"
            f"LANGUAGE sql STABLE\nBEGIN ATOMIC\n  {query};\nEND;"
        )

    def _sums(self, table: str, number: str, codes: list[str], function: str, name: str) -> str:
        """An array by number of what the codes of a table are to the user.

        Args:
            table: that holds the codes.
            number: of its rows, from 1 without gaps.
            codes: their columns.
            function: the inner product with a user in bits.
            name: of the array.
        """
        signs = self._bundle.user_form == "bits"
        bits = ", ".join(f"{self._agree(f'c.{code}', 'u.code') if signs else f'c.{code}'} AS {code}" for code in codes)
        if signs:
            value = " + ".join(f"{function}(a.{code})" for code in codes)
        else:
            value = " + ".join(self._by_planes(code, own=table == "own_codes") for code in codes)
        return f"""
    SELECT array_agg({value} ORDER BY a.{number}) AS {name}
    FROM (SELECT c.{number}, {bits} FROM {table} c CROSS JOIN asking u OFFSET 0) a CROSS JOIN asking u"""

    def _by_planes(self, code: str, own: bool) -> str:
        bundle, prefix = self._bundle, "own_" if own else ""
        weights = bundle.own.weights if own and bundle.own is not None else bundle.preference_weights
        steps = [
            f"{step} * bit_count(a.{code} & u.{prefix}plane_{number})"
            for number, step in enumerate(plane_steps(weights), start=1)
        ]
        return f"(2 * ({' + '.join(steps)}) - u.{prefix}total)"

    def _recommend(self) -> str:
        query = (
            "SELECT s.outfit_id, s.score FROM outfit_scores(who) s\n  WHERE s.opinion IS NULL\n"
            "  ORDER BY s.score DESC, s.outfit_no LIMIT k"
        )
        if self._engine == "duckdb":
            return f"CREATE MACRO recommend(who, k) AS TABLE\n  {query};"
        return (
            "CREATE FUNCTION recommend(who text, k integer) RETURNS TABLE (outfit_id text, score float8)\n"
            f"LANGUAGE sql STABLE\nBEGIN ATOMIC\n  {query};\nEND;"
        )
