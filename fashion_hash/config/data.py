"""The section of a configuration that names the data: where it lies, how it is split, what counts how much."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from fashion_hash.config.sections import MOST, NotNegative, Positive, Section, Seed, Share
from fashion_hash.config.shop import ShopConfig

SplitKind = Literal["time", "per_user", "cold_users", "cold_items"]

_PART = Annotated[float, Field(ge=0, lt=1)]
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(hour|day|week|month|year)s?")
_DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}


def _days(value: object) -> object:
    """A duration such as "90 days" as a number of days; anything else as it is."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip().lower())
    if match is None:
        raise ValueError('a duration is a number of days, or a text such as "90 days", "12 weeks", "6 months"')
    return float(match[1]) * _DAYS[match[2]]


Days = Annotated[Positive, BeforeValidator(_days)]
"""A duration in days; configurations may write "90 days" or "12 weeks"."""


class SplitConfig(Section):
    """How outfits are divided into train, valid and test when the data has no splits.

    Attributes:
        kind: "time": the newest outfits are the test, those before them the validation split. "per_user": some
            outfits of each user, at random; one at least stays in training. "cold_users": whole users are held
            out. "cold_items": items are held out, and no item of the test occurs in training.
        valid: the share of the outfits (cold_users: of the users) that go into the validation split.
        test: the share that goes into the test split.
        mixed: cold_items: what becomes of outfits that mix held-out items with others: "left_out" of all splits,
            or "test": they are tested, and only one item of each test outfit at least is new to the model. For data
            in which items occur in many outfits.
        seed: decides who and what is drawn; not used by "time".
        file: a CSV file of the split (outfit_id, user_id, split) that several runs share. It is written when it does
            not exist. By default the split is written into the folder of the run, as split.csv.
    """

    kind: SplitKind
    valid: _PART = 0.1
    test: _PART = 0.1
    mixed: Literal["left_out", "test"] = "left_out"
    seed: Seed = 0
    file: str | None = None

    @model_validator(mode="after")
    def _check(self) -> SplitConfig:
        if not 0 < self.valid + self.test < 1:
            raise ValueError(f"valid + test must be greater than 0 and less than 1, got {self.valid} + {self.test}")
        return self


class DataConfig(Section):
    """Which data set to read.

    Attributes:
        format: the format of its files, such as "polyvore_u", "iqon3000", "polyvore_outfits" or "shop"
            (docs/how-to/own-data.md has the list).
        root: the folder that holds it, relative to the working directory.
        subset: polyvore_u: the folder of outfits within the root, such as "tuples_630"; polyvore_outfits: "disjoint"
            or "nondisjoint". May be left out when there is only one. shift15m: the years of given splits, such as
            "2013-2014"; by default all outfits.
        slots: the item type of each slot: of the columns of files without a header line (polyvore_u), or instead of
            those that are chosen from which types occur together (shop and the formats of catalogues). ifashion_kgin,
            hfgn and pog: [item, item, item] makes outfits sets of up to three items without types.
        cold_users: how many users to hide from training altogether. They are chosen by the seed among the users
            with at least five training outfits and one test outfit; evaluation measures them as new users.
        split: how to divide data that comes without splits; by default everything is for training.
        kind_weights: how much an outfit counts in training by the kind of event that it comes from (bought, liked,
            clicked, shown, or the data's own kinds), where the data gives no weight. Kinds that are not named keep
            their defaults: bought 1, liked 0.7, clicked 0.3, shown 0.1.
        half_life: the time after which an outfit counts half in training, in days or as a text such as "90 days".
            By default age does not matter.
        weighted: whether the weights that the data gives count in training.
        user_power: how much a user's training outfits count together: their number to this power. 1: every outfit
            counts the same; 0: every user does, however many outfits they have.
        shop: the tables of format "shop" and their columns; by default both are recognised.
        live: a folder of what a live catalogue was told (`fashion-hash export-live`), which is trained on as well;
            users who were removed from that catalogue are left out.
        suppressed: a list of removed users (`fashion-hash forget --run`), whose outfits are left out of every split.
    """

    format: str
    root: str
    subset: str | None = None
    slots: tuple[str, ...] | None = None
    cold_users: Annotated[int, Field(ge=0, le=MOST)] = 0
    split: SplitConfig | None = None
    kind_weights: dict[str, NotNegative] | None = None
    half_life: Days | None = None
    weighted: bool = True
    user_power: Share = 1.0
    shop: ShopConfig | None = None
    live: str | None = None
    suppressed: str | None = None

    @property
    def unused(self) -> set[str]:
        """The keys of splits, weights, shop and removed users that have their defaults."""
        keys = ("split", "kind_weights", "half_life", "weighted", "user_power", "shop", "suppressed")
        return {key for key in keys if getattr(self, key) == type(self).model_fields[key].default}
