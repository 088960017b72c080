"""The section `recipe`: what a configuration leaves out is chosen on the validation split."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from fashion_hash.config.sections import Section


def _auto(value: object) -> object:
    return {} if value == "auto" else value


class RecipeConfig(Section):
    """How the settings that a configuration leaves out are looked for: `recipe: auto`, or with these keys.

    Candidates follow from the sizes of the data. All of them are trained for a quarter of the epochs, the best third
    for half of them, and the best one and what may improve it for all: successive halving (Jamieson and Talwalkar,
    AISTATS 2016). What the configuration gives itself is the same in all candidates.

    Attributes:
        share: the search takes at most this share of the epochs of search and training together; fewer candidates
            are tried where it is small.
        teacher: whether a teacher is trained, too, and kept where a student of it is better.
    """

    share: Annotated[float, Field(ge=0.5, le=0.95)] = 0.85
    teacher: bool = True


Recipe = Annotated[RecipeConfig | None, BeforeValidator(_auto)]
"""`auto`, or a section; None for a configuration that says everything itself."""
