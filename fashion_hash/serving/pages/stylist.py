"""The front page: who it is for, and outfits for them; each tap on one changes the list."""

from __future__ import annotations

import time

import numpy as np

from fashion_hash.presentation.tiles import headed, shown_whole
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.serving.pages.desk import Desk

SHOWN, CHOICES, ENOUGH = 12, 12, 5  # outfits of a list and of a choice; taps after which somebody new is somebody
USERS, FOUND = 6, 48  # proposed on the front page; named by a search


def stylist(desk: Desk) -> str:
    """Outfits for a user, for somebody new, or who it should be for."""
    visit = desk.visit
    if visit.user is not None and not desk.recommender.knows_user(visit.user):
        return people(desk, visit.user)
    if visit.user is None and len(visit.liked) < ENOUGH and "now" not in visit.rest:
        return choose(desk)
    skip = visit.number("skip", 0, 5_000)
    began = time.perf_counter()
    hits = desk.recommender.answer(
        visit.user,
        SHOWN,
        where=desk.where,
        max_per=desk.caps,
        skip=skip,
        **visit.likes,
    )
    milliseconds = 1000 * (time.perf_counter() - began)
    most, (num_before, before) = visit.rest.get("most"), desk.liked_before()
    return desk.render(
        "stylist.html",
        looks=[desk.look(hit) for hit in hits],
        liked=before,
        num_before=num_before,
        said=desk.said(),
        tastes=desk.reasons.tastes,
        num_liked=desk.reasons.num_liked,
        num_outfits=len(desk.recommender),
        exact=desk.bundle.answers.get("pool") == "exact",
        milliseconds=milliseconds,
        skip=skip,
        earlier=desk.page("/", most=most, skip=str(skip - SHOWN) if skip > SHOWN else None) if skip else "",
        more=desk.page("/", most=most, skip=str(skip + SHOWN)) if len(hits) == SHOWN else "",
    )


def choose(desk: Desk) -> str:
    """Who it is for: known users, or somebody new who taps outfits that they like."""
    visit, skip = desk.visit, desk.visit.number("skip", 0, 2_000)
    hits = desk.recommender.answer(
        None,
        CHOICES,
        diversity=0.9,
        max_per={"item": 1},
        skip=skip,
        where=desk.where,
        **visit.likes,
    )
    users = [] if visit.said else [_shown(desk, user) for user in known_users(desk.recommender, USERS)]
    return desk.render(
        "choose.html",
        looks=[desk.look(hit) for hit in hits],
        users=users,
        said=desk.said(),
        count=len(visit.liked),
        enough=ENOUGH,
        more=desk.page("/", skip=str(skip + CHOICES)) if len(hits) == CHOICES else "",
    )


def people(desk: Desk, text: str) -> str:
    """Users whose id holds a text."""
    users = search_users(desk.recommender, text, FOUND)
    return desk.render("people.html", text=text, users=[_shown(desk, user) for user in users], most=FOUND)


def known_users(recommender: Recommender, most: int) -> list[str]:
    """Users with many liked outfits, those with the most first."""
    bundle = recommender.bundle
    counts = np.bincount(bundle.history.users, minlength=len(bundle.users))
    counts = np.where(bundle.users.findable[: len(counts)], counts, 0)
    rows = np.argsort(-counts, kind="stable")[:most]
    return bundle.users.at(rows[counts[rows] > 0])


def search_users(recommender: Recommender, text: str, most: int) -> list[str]:
    """Users whose id holds a text, those that begin with it first, then by id."""
    users = recommender.bundle.users
    holding = np.char.find(users.encoded, text.encode("utf-8", "replace"))
    rows = np.flatnonzero((holding >= 0) & users.findable)
    rows = rows[np.lexsort((users.encoded[rows], holding[rows] > 0))]
    return users.at(rows[:most])


def _shown(desk: Desk, user: str) -> dict[str, object]:
    liked = desk.recommender.liked(user)
    return {
        "name": headed(user),
        "count": len(liked),
        "outfits": [desk.tiles(outfit) for outfit in shown_whole(desk.bundle, liked, 3)],
        "address": desk.visit.of(user).without_filters().address("/", model=desk.visit.rest.get("model")),
    }
