"""What programs get back. Replies are checked against these by the tests, not at each request."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Shortfall(BaseModel):
    """Why an answer holds fewer hits than were asked for."""

    reason: str = Field(description="In words.")
    wanted: int
    found: int


class Outfit(BaseModel):
    """An outfit with its score and the terms that add up to it."""

    outfit_id: str | None = Field(description="Its id in the pool; null for one that was put together.")
    items: dict[str, str] = Field(description="Item ids by slot name.")
    score: float
    preference: float
    compatibility: float
    bias: float


class RequestOutfit(BaseModel):
    """An outfit for a request in words."""

    outfit_id: str | None
    items: dict[str, str]
    score: float
    preference: float
    compatibility: float
    bias: float
    request: float = Field(description="The share of bits in which the anchor agrees with the request.")
    total: float = Field(description="score + weight * request; outfits come in its order.")
    anchor: str = Field(description="The slot of the item that the request is about.")


class Answer(BaseModel):
    """What every answer says about itself."""

    recommendation_id: str = Field(description="Feedback names it.")
    model: str
    generation: int
    personal: bool = Field(description="False where nothing is known of the user.")
    exact: bool = Field(description="Whether these are proven to be the best.")
    shortfall: Shortfall | None
    milliseconds: float


class OutfitsAnswer(Answer):
    """Outfits."""

    outfits: list[Outfit]
    gap: float | None = Field(None, description="How much better than the last an outfit may be that was left out.")
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class SearchAnswer(Answer):
    """Items for a request in words."""

    by: str
    note: str
    known_words: list[str]
    unknown_words: list[str]
    understood: list[dict[str, Any]]
    goes_with: list[dict[str, Any]]
    items: list[dict[str, Any]]
    next: str | None


class PhotoAnswer(SearchAnswer):
    """Items for a picture."""

    picture: str = Field(description="The code of the picture. Sent as `code` it stands for the picture.")


class OutfitsForAnswer(Answer):
    """Outfits for a request in words."""

    by: str
    note: str
    known_words: list[str]
    unknown_words: list[str]
    understood: list[dict[str, Any]]
    goes_with: list[dict[str, Any]]
    weight: float
    gap: float | None
    outfits: list[RequestOutfit]
    next: str | None


class Score(BaseModel):
    """A score and its terms."""

    score: float
    preference: float
    compatibility: float
    bias: float


class ScoresAnswer(Answer):
    """Scores, in the order of the outfits."""

    scores: list[Score]


class ExplainAnswer(Answer):
    """The parts that add up to a score."""

    explanation: dict[str, Any]


class UserOutfits(BaseModel):
    """The outfits of one of many users."""

    user: str
    personal: bool
    outfits: list[dict[str, Any]]


class BatchAnswer(Answer):
    """Outfits of many users, in their order."""

    users: list[UserOutfits]


class Item(BaseModel):
    """An item of the catalogue."""

    item_id: str
    type: str
    title: str | None
    details: dict[str, Any]
    picture: str | None = Field(description="The path of its picture; null where it has none.")


class SimilarItem(BaseModel):
    """An item that resembles another."""

    item_id: str
    type: str
    title: str | None
    score: float = Field(description="The share of bits in which the codes agree.")


class SimilarAnswer(Answer):
    """Items that resemble an item, nearest first."""

    items: list[SimilarItem]


class ProblemDetail(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
    request_id: str | None = None


class Column(BaseModel):
    """A column of the catalogue, as a filter menu shows it."""

    name: str
    types: list[str] = Field(description="Item types that have it.")
    holds: list[str] = Field(description="What kinds of values it holds.")
    operators: list[str] = Field(description="What a filter may ask of it.")
    least: float | None = None
    greatest: float | None = None
    values: list[dict[str, Any]] | None = Field(None, description="Its commonest texts and how many items have each.")
    distinct: int | None = None


class Columns(BaseModel):
    """The columns of the catalogue."""

    model: str
    columns: list[Column]


class ModelCard(BaseModel):
    """What a model is."""

    name: str
    share: float
    generation: int
    fingerprint: str
    scoring: str
    num_bits: int
    slots: list[str]
    modalities: list[str]
    users: int
    items: dict[str, int]
    outfits: int
    answers: dict[str, str]
    requests: bool
    facts: dict[str, Any]


class ModelCards(BaseModel):
    """The models of the service."""

    models: list[ModelCard]


class ModelFeedback(BaseModel):
    """The feedback about the answers of a model."""

    model: str
    users: int
    shown: int
    liked: int
    disliked: int
    bought: int
    undone: int
    liked_share: float | None


class FeedbackReport(BaseModel):
    """The feedback by model."""

    models: list[ModelFeedback]
