"""What programs send to change something, and what they get back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from fashion_hash.serving.schemas.fields import (
    MOST_EXCLUDED,
    MOST_ITEMS,
    MOST_LIKES,
    Body,
    Id,
    OutfitRef,
    example,
)

MOST_EVENTS = 10_000
Outfits = Annotated[list[OutfitRef], Field(default_factory=list, max_length=MOST_LIKES)]
IdsByType = Annotated[
    dict[str, Annotated[list[Id], Field(max_length=MOST_EXCLUDED)]],
    Field(min_length=1, description="Ids of items, by item type.", examples=[{"top": ["top-1"]}]),
]


class PutUserBody(Body):
    """All that a user tells; it replaces what they told before."""

    model_config = example({"liked": [{"top": "top-1", "shoe": "shoe-2"}], "disliked": [{"top": "top-3"}]})

    liked: Outfits
    disliked: Outfits
    again: Annotated[StrictBool, Field(description="Also a user who was removed: they start anew.")] = False


class PatchUserBody(Body):
    """What a user tells in addition; the latest opinion about an outfit counts."""

    model_config = example({"liked": [{"top": "top-2"}], "neutral": [{"top": "top-3"}]})

    liked: Outfits
    disliked: Outfits
    neutral: Annotated[
        list[OutfitRef],
        Field(default_factory=list, max_length=MOST_LIKES, description="Outfits whose like or dislike is taken back."),
    ]


class ItemEntry(BaseModel):
    """An item; any further field is a column of the catalogue."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    item_id: Id
    type: Id
    title: str | None = None
    picture: Annotated[
        str | None, Field(description="A JPEG, PNG, WebP or GIF in base64. It is decoded, bounded and encoded again.")
    ] = None
    features: Annotated[
        dict[str, list[float] | None] | None,
        Field(description="By modality the raw feature that the hash heads of the bundle turn into codes."),
    ] = None


class ItemsBody(Body):
    """Items to add or change, in one transaction."""

    model_config = example({"items": [{"item_id": "top-1", "type": "top", "title": "A linen shirt", "price": 39.9}]})

    items: Annotated[list[ItemEntry], Field(min_length=1, max_length=MOST_ITEMS)]


class ItemIdsBody(Body):
    """Items that are named."""

    model_config = example({"items": {"top": ["top-4"]}})

    items: IdsByType


class OutfitsBody(Body):
    """Outfits to add or change, in one transaction."""

    model_config = example({"outfits": {"look-1": {"top": "top-1", "shoe": "shoe-2"}}})

    outfits: Annotated[
        dict[Id, Annotated[dict[str, Id], Field(min_length=1)]],
        Field(
            min_length=1,
            max_length=MOST_ITEMS,
            description="By outfit id, item ids by slot name.",
            examples=[{"look-1": {"top": "top-1", "shoe": "shoe-2"}}],
        ),
    ]


class OutfitIdsBody(Body):
    """Outfits that are named."""

    model_config = example({"outfits": ["look-1"]})

    outfits: Annotated[list[Id], Field(min_length=1, max_length=MOST_ITEMS)]


class ItemRef(Body):
    """An item by type and id."""

    type: Id
    item_id: Id


class EventBody(Body):
    """Something that a user did with an outfit or an item."""

    user: Id
    kind: Annotated[
        Literal["shown", "liked", "disliked", "bought", "undone"],
        Field(description='"undone" takes a like or dislike back; "bought" counts as a like.'),
    ]
    outfit: OutfitRef | None = None
    item: ItemRef | None = None
    time: Annotated[datetime | None, Field(description="By default now.")] = None
    recommendation_id: Annotated[str | None, Field(max_length=200)] = None
    event_id: Annotated[
        str | None, Field(min_length=1, max_length=200, description="The same event sent twice is kept once.")
    ] = None


class FeedbackBody(Body):
    """Events; all are kept, or none."""

    model_config = example(
        {"events": [{"user": "user-1", "kind": "liked", "outfit": {"top": "top-1"}, "event_id": "e-1"}]}
    )

    events: Annotated[list[EventBody], Field(min_length=1, max_length=MOST_EVENTS)]


class UserChanged(BaseModel):
    """A user was written."""

    model: str
    new: bool = Field(description="Whether the user was unknown.")


class UserCard(BaseModel):
    """What is known of a user."""

    model: str
    user: str
    liked: list[dict[str, str]]


class UserRemoved(BaseModel):
    """What was removed of a user."""

    models: list[str] = Field(description="Those that knew the user: code, likes and dislikes are removed from each.")
    events: int = Field(description="How many events of feedback were erased.")
    erased: bool = Field(
        description="Whether nothing is left in the files; otherwise another process is reading old pages, and the "
        "next compaction erases them."
    )


class Changed(BaseModel):
    """How many entries differ from before, by model."""

    changed: dict[str, int]


class ItemsRemoved(BaseModel):
    """Items were removed, and the outfits that held them, by model."""

    outfits: dict[str, list[str]]


class FeedbackKept(BaseModel):
    """Events were kept."""

    stored: int = Field(description="How many are new.")
    folded: int = Field(description="Of how many users the code was fitted again.")
