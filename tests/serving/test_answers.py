"""Questions over HTTP get the answers of the Recommender, and say how they were made."""

from __future__ import annotations

import base64
import functools
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

ABOUT = {"recommendation_id", "model", "generation", "personal", "exact", "shortfall", "milliseconds"}


def recommender(client):
    [model] = client.app.state.service.models
    return model.recommender


def ask(client: TestClient, path: str, **body: object) -> dict:
    reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_the_best_outfits_of_a_user(client):
    got = ask(client, "/v1/users/user-1/outfits", k=5)
    assert got.keys() == ABOUT | {"outfits", "next"}
    expected = recommender(client).answer("user-1", 5)
    assert [outfit["outfit_id"] for outfit in got["outfits"]] == [hit.outfit_id for hit in expected]
    assert [outfit["items"] for outfit in got["outfits"]] == [hit.items for hit in expected]
    assert [outfit["score"] for outfit in got["outfits"]] == [hit.score for hit in expected]
    assert got["personal"]
    assert got["exact"]


def test_pages_of_an_answer_repeat_nothing_and_are_the_longer_answer(client):
    ids, cursor = [], None
    for _ in range(3):
        got = ask(client, "/v1/users/user-1/outfits", k=4, cursor=cursor)
        ids += [outfit["outfit_id"] for outfit in got["outfits"]]
        cursor = got["next"]
    assert ids == [hit.outfit_id for hit in recommender(client).answer("user-1", 12)]


def test_a_cursor_of_another_question_is_refused(client):
    cursor = ask(client, "/v1/users/user-1/outfits", k=2)["next"]
    reply = client.post("/v1/users/user-1/outfits", json={"k": 2, "cursor": cursor, "include_liked": True})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"] == "/cursor"


@pytest.mark.parametrize("path", ["/v1/users/user-2/outfits", "/v1/recommend", "/v1/users/user-1/outfits?model=main"])
def test_a_cursor_of_another_user_route_or_model_is_refused(client, path):
    cursor = ask(client, "/v1/users/user-1/outfits", k=2)["next"]
    assert client.post(path, json={"k": 2, "cursor": cursor}).status_code == 422


def cursor_of(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


DEEP = functools.reduce(lambda inner, _: {"a": inner}, range(300), 1)


@pytest.mark.parametrize(
    ("cursor", "where"),
    [
        ('{"skip":1e999,"question":"a","reader":""}', None),
        ('{"skip":true,"question":"a","reader":""}', None),
        ('{"skip":1,"question":"a","reader":3}', None),
        ("[]", None),
        ('{"skip":1,"question":"a","reader":""}', {"price": "\ud800"}),
        ('{"skip":1,"question":"a","reader":""}', DEEP),
    ],
)
def test_a_cursor_that_was_changed_by_hand_is_refused(client, cursor, where):
    content = json.dumps({"cursor": cursor_of(cursor), "where": where}).encode()
    headers = {"Content-Type": "application/json"}
    assert client.post("/v1/users/user-1/outfits", content=content, headers=headers).status_code == 422


def test_the_pages_of_a_stranger_without_a_session_repeat_nothing(client):
    ids, cursor, count = [], None, len(recommender(client))
    while len(ids) < count:
        got = ask(client, "/v1/recommend", k=7, cursor=cursor)
        ids += [outfit["outfit_id"] for outfit in got["outfits"]]
        if (cursor := got["next"]) is None:
            break
    assert len(ids) == len(set(ids)) == count


def test_head_is_answered_like_get_without_a_body(client):
    for path, status in (("/v1/model", 200), ("/", 200), ("/v1/items/top/none", 404)):
        reply = client.head(path)
        assert reply.status_code == status
        assert reply.content == b""


def test_a_body_that_is_not_said_to_be_json_is_415(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        reply = client.post("/v1/recommend", content=b'{"k": 1}', headers={"Content-Type": kind})
        assert reply.status_code == 415
        assert "application/json" in reply.json()["detail"]
    broken = client.post("/v1/recommend", content=b"{k", headers={"Content-Type": "application/json"})
    assert "errors" not in broken.json() or broken.json()["errors"][0]["pointer"] == ""


def test_strangers_do_not_all_get_one_list_and_a_session_keeps_its_own(client):
    def first(session: str) -> tuple[str, ...]:
        return tuple(hit["outfit_id"] for hit in ask(client, "/v1/recommend", k=8, session=session)["outfits"])

    lists = {first(f"session-{number}") for number in range(6)}
    assert len(lists) == 6
    assert first("session-1") == first("session-1")


def test_a_strangers_pages_repeat_nothing(client):
    ids, cursor, count = [], None, len(recommender(client))
    for _ in range(count):
        got = ask(client, "/v1/recommend", k=7, session="s", cursor=cursor)
        ids += [outfit["outfit_id"] for outfit in got["outfits"]]
        if (cursor := got["next"]) is None:
            break
    assert len(ids) == len(set(ids)) == count


def test_likes_in_the_body_make_an_answer_personal_and_are_not_stored(client):
    liked = [{"top": "top-1", "shoe": "shoe-2"}]
    got = ask(client, "/v1/recommend", k=5, liked=liked)
    assert got["personal"]
    expected = recommender(client).answer(None, 5, liked=liked)
    assert [outfit["outfit_id"] for outfit in got["outfits"]] == [hit.outfit_id for hit in expected]


def test_compose_and_complete(client):
    got = ask(client, "/v1/users/user-2/compose", k=3)
    assert [outfit["items"] for outfit in got["outfits"]] == [
        hit.items for hit in recommender(client).compose("user-2", 3).hits
    ]
    assert got["exact"]
    assert got["outfits"][0]["outfit_id"] is None
    got = ask(client, "/v1/users/user-2/complete", items={"top": "top-3"}, k=3)
    assert {outfit["items"]["top"] for outfit in got["outfits"]} == {"top-3"}


def test_a_shortfall_says_why(client):
    got = ask(client, "/v1/users/user-1/outfits", k=5, where={"price": {">": 1000}})
    assert got["outfits"] == []
    assert "0 of 5 outfits found" in got["shortfall"]["reason"]
    assert got["next"] is None


def test_scores_explanations_batches_and_popular_outfits(client):
    [score] = ask(client, "/v1/score", user="user-1", outfits=[{"top": "top-1"}])["scores"]
    assert score["score"] == recommender(client).score("user-1", {"top": "top-1"}).score
    explained = ask(client, "/v1/explain", user="user-1", outfit={"top": "top-1"})["explanation"]
    assert explained["score"] == score["score"]
    users = ask(client, "/v1/batch", users=["user-1", "user-2"], k=3)["users"]
    for entry in users:
        alone = ask(client, f"/v1/users/{entry['user']}/outfits", k=3)["outfits"]
        assert [outfit["outfit_id"] for outfit in entry["outfits"]] == [outfit["outfit_id"] for outfit in alone]
    popular = client.get("/v1/popular", params={"k": 3}).json()
    assert [hit["outfit_id"] for hit in popular["outfits"]] == recommender(client).recommend(
        None, 3, by="popular"
    ).ids.tolist()


def test_items_similar_items_columns_and_models(client):
    item = client.get("/v1/items/top/top-0").json()
    assert item["title"] == "A fine top"
    assert item["details"] == {"price": 12.5}
    similar = client.get("/v1/items/top/top-0/similar", params={"k": 3}).json()["items"]
    assert [each["item_id"] for each in similar] == recommender(client).similar_items("top-0", 3).ids.tolist()
    price = next(each for each in client.get("/v1/catalogue/columns").json()["columns"] if each["name"] == "price")
    assert (price["least"], price["greatest"]) == (12.5, 12.5)
    [card] = client.get("/v1/model").json()["models"]
    assert card["outfits"] == 60


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        ("/v1/users/nobody/outfits", {}, 404, None),
        ("/v1/users/a%2Fb%25%27%22/outfits", {}, 404, None),
        ("/v1/recommend", {"k": 0}, 422, "/k"),
        ("/v1/recommend", {"k": 1_000_000}, 422, "/k"),
        ("/v1/recommend", {"k": True}, 422, "/k"),
        ("/v1/recommend", {"where": {"price": {"<<": 1}}}, 422, None),
        ("/v1/recommend", {"kk": 1}, 422, "/kk"),
        ("/v1/recommend", {"cursor": "nonsense"}, 422, "/cursor"),
        ("/v1/recommend", {"where": {"no such column": 1}}, 422, "/where"),
        ("/v1/recommend", {"liked": [{"top": "no-such-top"}]}, 404, None),
        ("/v1/compose", {"types": ["hat"]}, 422, None),
        ("/v1/search", {"text": "red"}, 422, None),
        ("/v1/nothing", {}, 404, None),
    ],
)
def test_bad_input_is_a_problem_that_names_the_field(client, path, body, status, pointer):
    reply = client.post(path, json=body)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == status
    assert problem["detail"]
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer


def test_an_id_with_a_slash_a_quote_and_a_percent_sign_is_named_as_it_is(client):
    detail = client.post("/v1/users/a%2Fb%25%27/outfits", json={}).json()["detail"]
    assert '"a/b%\'"' in detail
    assert client.post("/v1/users/a%2Fb/outfits", json={"if_unknown": "anonymous"}).status_code == 200


def test_every_reply_carries_a_request_id(client):
    assert client.get("/v1/model", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.get("/v1/model", headers={"X-Request-Id": "no\tgood"}).headers["x-request-id"] != "no\tgood"
    assert client.get("/nothing").json()["request_id"]


def test_metrics_count_requests_and_answers(client):
    ask(client, "/v1/users/user-1/outfits", k=1)
    text = client.get("/metrics").text
    assert 'fashion_hash_requests_total{model="main",route="/v1/users/{user_id}/outfits",status="200"}' in text
    assert 'fashion_hash_answers_total{exact="true",model="main",personal="true"}' in text
    assert "fashion_hash_request_seconds_bucket" in text


def test_questions_that_come_together_are_answered_together_and_as_alone(client):
    service = client.app.state.service
    [model] = service.models
    sizes = []
    many = type(model.recommender).answer_many

    def counted(self, users, *arguments, **options):
        sizes.append(len(users))
        time.sleep(0.05)  # others come meanwhile
        return many(self, users, *arguments, **options)

    users = [f"user-{number % 5}" for number in range(20)] + ["nobody"]
    alone = {user: client.post(f"/v1/users/{user}/outfits", json={"k": 4}) for user in set(users)}
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(users)) as threads:
        patch.setattr(type(model.recommender), "answer_many", counted)
        together = list(threads.map(lambda user: client.post(f"/v1/users/{user}/outfits", json={"k": 4}), users))
    assert max(sizes) > 2
    for user, reply in zip(users, together):
        assert reply.status_code == alone[user].status_code, user
        assert reply.json().get("outfits") == alone[user].json().get("outfits")
