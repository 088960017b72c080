"""Fields that several bodies have, with their limits and what they mean."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

MOST_HITS, MOST_SKIPPED = 1_000, 10_000
MOST_LIKES, MOST_EXCLUDED, MOST_USERS, MOST_ITEMS = 1_000, 10_000, 1_000, 10_000
LONGEST_TEXT, LONGEST_ID, LONGEST_JSON = 2_000, 1_000, 20_000
LONGEST_WAIT = 60_000  # milliseconds


class Body(BaseModel):
    """What a program sends. Unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null")


def example(value: dict[str, Any]) -> ConfigDict:
    """The configuration of a body with an example, which the OpenAPI document shows and a test sends."""
    return ConfigDict(json_schema_extra={"examples": [value]})


Id = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
OutfitRef = Annotated[
    Id | dict[str, Id],
    Field(description="An outfit: its id in the pool, or item ids by slot name.", examples=[{"top": "top-1"}]),
]
Count = Annotated[StrictInt, Field(ge=1, le=MOST_HITS, description="At most how many.")]
Facts = Annotated[
    list[dict[str, Any]] | None,
    Field(
        max_length=100, description="What the words are to mean: `understood` and `goes_with` of an answer, changed."
    ),
]
Where = Annotated[
    dict[str, Any] | None,
    Field(description="Which items, and which totals, an outfit may have.", examples=[{"price": {"<": 50}}]),
]
Likes = Annotated[
    list[OutfitRef],
    Field(
        default_factory=list,
        max_length=MOST_LIKES,
        description="Outfits that the user tells with this question. They count for this answer and are not stored.",
    ),
]
ItemsByType = Annotated[
    dict[str, Annotated[list[Id], Field(max_length=MOST_EXCLUDED)]] | None,
    Field(description="Ids of items, by item type."),
]
Excluded = Annotated[
    list[Id],
    Field(
        default_factory=list,
        max_length=MOST_EXCLUDED,
        description="Ids of outfits to leave out; unknown ones are ignored.",
    ),
]
Caps = Annotated[
    dict[str, StrictInt] | None,
    Field(description='In how many of the outfits one "item", or one value of a column, may occur.'),
]
Diversity = Annotated[
    float, Field(ge=0, le=1, strict=True, description="From 0, the best outfits, to 1, the most varied.")
]
Taste = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        strict=True,
        description="The weight of what the user likes against what goes together: 0.5 is as trained, 1 taste alone, 0 "
        "compatibility alone, in steps of 0.05. Scores and their terms are the weighed ones.",
    ),
]
Cursor = Annotated[
    str | None,
    Field(max_length=500, description="`next` of the answer before: the same question gets its next page."),
]
Session = Annotated[
    str | None,
    Field(
        max_length=200,
        description="Something that stays the same while a stranger looks around. It decides which list they get, so "
        "that not all strangers get the same; by default every request is a session of its own.",
    ),
]
Unknown = Annotated[
    Literal["refuse", "anonymous"],
    Field(description="What to do about an unknown user: refuse, or answer as for somebody without a name."),
]
Milliseconds = Annotated[
    StrictInt | None,
    Field(ge=1, le=LONGEST_WAIT, description="A deadline: a composition stops then and says whether it is proven."),
]
Types = Annotated[
    list[str] | None, Field(max_length=100, description='Item types or slot names, such as ["top", "top", "bottom"].')
]
Include = Annotated[
    dict[str, Id | Annotated[list[Id], Field(max_length=MOST_EXCLUDED)]] | None,
    Field(description="By slot name the item that an outfit must hold, or items of which it must hold one."),
]
Text = Annotated[str, Field(max_length=LONGEST_TEXT, description="A request in words.")]
