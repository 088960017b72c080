"""What programs send to ask something."""

from __future__ import annotations

from typing import Annotated

from fastapi import UploadFile
from pydantic import Field, StrictBool

from fashion_hash.serving.schemas.fields import (
    LONGEST_JSON,
    LONGEST_WAIT,
    MOST_HITS,
    MOST_USERS,
    Body,
    Caps,
    Count,
    Cursor,
    Diversity,
    Excluded,
    Facts,
    Id,
    Include,
    ItemsByType,
    Likes,
    Milliseconds,
    OutfitRef,
    Session,
    Taste,
    Text,
    Types,
    Unknown,
    Where,
    example,
)


class PoolBody(Body):
    """A question for the best outfits of the pool."""

    model_config = example(
        {"k": 5, "where": {"price": {"<": 500}}, "exclude": {"top": ["top-2"]}, "session": "visitor-17"}
    )

    k: Count = 10
    where: Where = None
    exclude: ItemsByType = None
    exclude_outfits: Excluded
    include_liked: StrictBool = False
    diversity: Diversity = 0.0
    max_per: Caps = None
    taste: Taste = 0.5
    liked: Likes
    disliked: Likes
    cursor: Cursor = None
    session: Session = None
    if_unknown: Unknown = "refuse"
    timeout_ms: Milliseconds = None


class ComposeBody(Body):
    """A question for outfits that are put together from all items."""

    model_config = example(
        {"k": 3, "types": ["top", "bottom", "shoe"], "max_repeats": 2, "taste": 0.7, "timeout_ms": 500}
    )

    k: Count = 10
    types: Types = None
    where: Where = None
    include: Include = None
    exclude: ItemsByType = None
    max_repeats: Annotated[int | None, Field(ge=1, strict=True)] = None
    max_per: Caps = None
    diversity: Diversity = 0.0
    taste: Taste = 0.5
    liked: Likes
    disliked: Likes
    cursor: Cursor = None
    session: Session = None
    if_unknown: Unknown = "refuse"
    timeout_ms: Milliseconds = None


class CompleteBody(ComposeBody):
    """A question for what goes with some items; all else is asked as in `ComposeBody`."""

    model_config = example({"items": {"top": "top-1"}, "k": 3})

    items: Annotated[dict[str, Id], Field(min_length=1, description="Item ids by slot name.")]


class SearchBody(Body):
    """A request in words, a user, or both, for items."""

    model_config = example({"text": "a red shirt", "user": "user-1", "k": 5})

    text: Text = ""
    user: Id | None = None
    k: Count = 10
    item_type: str | None = None
    where: Where = None
    exclude: ItemsByType = None
    rerank: StrictBool = False
    facts: Facts = None
    liked: Likes
    disliked: Likes
    cursor: Cursor = None
    if_unknown: Unknown = "refuse"
    timeout_ms: Milliseconds = None


class PhotoForm(Body):
    """A picture, as a form of parts, and what may be asked beside it. Filters and facts are JSON in a text."""

    model_config = example({"text": "a red shirt", "item_types": ["top"], "k": 5, "where": '{"price": {"<": 100}}'})

    picture: Annotated[
        UploadFile | None,
        Field(description="A JPEG, PNG, WebP or GIF. It is decoded, bounded and encoded again, and not kept."),
    ] = None
    code: Annotated[
        str, Field(max_length=100_000, description="Instead of the picture: `picture` of an earlier answer.")
    ] = ""
    text: Text = ""
    item_types: Annotated[
        list[Id], Field(default_factory=list, max_length=100, description="Only items of these types; by default all.")
    ]
    k: Annotated[int, Field(ge=1, le=MOST_HITS, description="At most how many.")] = 10
    where: Annotated[str, Field(max_length=LONGEST_JSON, description="A filter, as JSON.")] = ""
    facts: Annotated[str, Field(max_length=LONGEST_JSON, description="What the words are to mean, as JSON.")] = ""
    cursor: Cursor = None
    timeout_ms: Annotated[int | None, Field(ge=1, le=LONGEST_WAIT, description="A deadline.")] = None


class OutfitsForBody(Body):
    """A request in words, a user, or both, for outfits."""

    model_config = example({"text": "a red shirt", "user": "user-1", "k": 3, "timeout_ms": 1000})

    text: Text = ""
    user: Id | None = None
    k: Count = 10
    weight: Annotated[float, Field(ge=0, le=10_000, description="Of the request, beside the score.")] = 100.0
    anchors: Annotated[int, Field(ge=1, le=1_000, strict=True)] = 50
    per_anchor: Annotated[int | None, Field(ge=1, le=1_000, strict=True)] = 2
    types: Types = None
    where: Where = None
    include: Include = None
    exclude: ItemsByType = None
    max_per: Caps = None
    diversity: Diversity = 0.0
    facts: Facts = None
    liked: Likes
    disliked: Likes
    cursor: Cursor = None
    if_unknown: Unknown = "refuse"
    timeout_ms: Milliseconds = None


class ScoreBody(Body):
    """A question for the scores of some outfits."""

    model_config = example({"user": "user-1", "outfits": [{"top": "top-1", "shoe": "shoe-2"}]})

    user: Id | None = None
    outfits: Annotated[list[OutfitRef], Field(min_length=1, max_length=1_000)]
    if_unknown: Unknown = "refuse"


class ExplainBody(Body):
    """A question why an outfit has its score or, with `text`, why a request finds an item or an outfit."""

    model_config = example({"user": "user-1", "outfit": {"top": "top-1", "shoe": "shoe-2"}})

    user: Id | None = None
    outfit: OutfitRef | None = None
    item: Id | None = None
    item_type: str | None = None
    text: Text = ""
    weight: Annotated[float, Field(ge=0, le=10_000)] = 100.0
    neighbours: Annotated[int, Field(ge=0, le=100, strict=True)] = 3
    taste: Taste = 0.5
    liked: Likes
    disliked: Likes
    if_unknown: Unknown = "refuse"


class BatchBody(Body):
    """The same question for many users."""

    model_config = example({"users": ["user-1", "user-2"], "k": 3})

    users: Annotated[list[Id], Field(min_length=1, max_length=MOST_USERS)]
    k: Annotated[int, Field(ge=1, le=100, strict=True)] = 10
    where: Where = None
    exclude: ItemsByType = None
    exclude_outfits: Excluded
    include_liked: StrictBool = False
    if_unknown: Unknown = "refuse"


class ReloadBody(Body):
    """Which model to open again."""

    model_config = example({})

    model: Annotated[str | None, Field(description="Its name; by default all.")] = None
