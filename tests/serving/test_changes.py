"""Changes over HTTP: users, items, outfits and feedback, with tokens, all or nothing, and once for each key."""

from __future__ import annotations

import base64
import errno
import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from fashion_hash.errors import UnknownIdError
from fashion_hash.feedback.store import FeedbackStore
from fashion_hash.live.forgetting.search import files_of, search
from fashion_hash.serving.app import create_app
from fashion_hash.serving.idempotency import Kept, Replies
from fashion_hash.serving.metrics import Metrics
from fashion_hash.serving.models import Models
from fashion_hash.serving.security import Token, Tokens, digest_of
from fashion_hash.serving.workers.watch import Watch
from tests.worlds.damaged import bomb
from tests.worlds.live_world import new_bundle

WRITE, READ = "write-token", "read-token"
TOKENS = Tokens([Token("write", digest_of(WRITE)), Token("read", digest_of(READ))])
OUTFIT = {"top": "top-1", "shoe": "shoe-2"}


@contextmanager
def serving(*bundles: str, split: str | None = None) -> Iterator[TestClient]:
    models = Models.open(bundles, split)
    with TestClient(create_app(models, tokens=TOKENS), headers={"X-API-Key": WRITE}) as client:
        yield client


@pytest.fixture
def path(tmp_path):
    new_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def client(path):
    with serving(str(path)) as client:
        yield client


def recommender(client):
    [model] = client.app.state.service.models
    return model.recommender


def delete(client, url, body):
    return client.request("DELETE", url, json=body)


def test_changes_need_a_token_for_writing(client):
    body, url = {"liked": [OUTFIT]}, "/v1/users/new"
    assert client.put(url, json=body, headers={"X-API-Key": ""}).status_code == 401
    assert client.put(url, json=body, headers={"X-API-Key": "nonsense"}).status_code == 401
    assert client.put(url, json=body, headers={"X-API-Key": READ}).status_code == 403
    assert not recommender(client).knows_user("new")
    bearer = {"X-API-Key": "", "Authorization": f"Bearer {WRITE}"}
    assert client.put(url, json=body, headers=bearer).status_code == 201


def test_a_user_comes_tells_more_takes_it_back_and_is_replaced(client):
    assert client.put("/v1/users/a%2Fb", json={"liked": [OUTFIT]}).json() == {"model": "main", "new": True}
    assert recommender(client).liked("a/b") == [OUTFIT]
    assert client.put("/v1/users/a%2Fb", json={"liked": [OUTFIT]}).status_code == 200
    assert client.patch("/v1/users/a%2Fb", json={"liked": [{"top": "top-2"}]}).status_code == 200
    assert client.get("/v1/users/a%2Fb").json()["liked"] == [OUTFIT, {"top": "top-2"}]
    assert client.patch("/v1/users/a%2Fb", json={"neutral": [OUTFIT]}).status_code == 200
    assert recommender(client).liked("a/b") == [{"top": "top-2"}]
    client.put("/v1/users/a%2Fb", json={"liked": [{"shoe": "shoe-1"}]})
    assert recommender(client).liked("a/b") == [{"shoe": "shoe-1"}]
    assert client.patch("/v1/users/nobody", json={"liked": [OUTFIT]}).status_code == 404


def test_a_deleted_user_is_nowhere_and_is_not_added_again_by_mistake(client, path):
    name = "someone.with.an.uncommon.id"
    client.put(f"/v1/users/{name}", json={"liked": [OUTFIT]})
    client.post("/v1/feedback", json={"events": [{"user": name, "kind": "liked", "outfit": OUTFIT}]})
    got = client.delete(f"/v1/users/{name}").json()
    assert (got["models"], got["events"]) == (["main"], 1)
    assert got["erased"]
    assert [where for where in search(name, files_of([path])) if where.whole] == []
    assert client.post(f"/v1/users/{name}/outfits", json={}).status_code == 404
    assert client.delete(f"/v1/users/{name}").status_code == 200
    assert client.delete("/v1/users/never-there").status_code == 404
    refused = client.put(f"/v1/users/{name}", json={})
    assert refused.status_code == 409
    event = {"user": name, "kind": "liked", "outfit": OUTFIT}
    assert client.post("/v1/feedback", json={"events": [event]}).status_code == 409
    assert client.put(f"/v1/users/{name}", json={"again": True}).status_code == 201


CODE = {"code": [[1] * 16, [-1] * 16]}


def test_items_come_change_hide_and_go(client):
    item = {"item_id": "n/1", "type": "top", "title": "A new top", "price": 9.5, **CODE}
    assert client.post("/v1/items", json={"items": [item]}).json() == {"changed": {"main": 1}}
    assert client.post("/v1/items", json={"items": [item]}).json() == {"changed": {"main": 0}}
    assert client.get("/v1/items/top/n%2F1").json()["details"] == {"price": 9.5}
    client.patch("/v1/items", json={"items": [{"item_id": "n/1", "type": "top", "price": 7}]})
    assert client.get("/v1/items/top/n%2F1").json()["details"] == {"price": 7}
    outfits = {"look": {"top": "n/1", "shoe": "shoe-2"}}
    assert client.post("/v1/outfits", json={"outfits": outfits}).json() == {"changed": {"main": 1}}
    assert client.post("/v1/outfits", json={"outfits": outfits}).json() == {"changed": {"main": 0}}
    assert client.patch("/v1/outfits", json={"outfits": {"other": outfits["look"]}}).status_code == 404
    assert client.post("/v1/items:hide", json={"items": {"top": ["n/1"]}}).json() == {"changed": {"main": 1}}
    assert client.post("/v1/items:show", json={"items": {"top": ["n/1"]}}).json() == {"changed": {"main": 1}}
    gone = delete(client, "/v1/items", {"items": {"top": ["n/1"]}})
    assert gone.json() == {"outfits": {"main": ["look"]}}
    assert delete(client, "/v1/outfits", {"outfits": ["look"]}).status_code == 404


def test_a_batch_with_one_bad_entry_changes_nothing(client):
    good = {"item_id": "good", "type": "top", **CODE}
    for bad in ({"item_id": "bad", "type": "hat"}, {"item_id": "bad", "type": "top", "code": [[1]]}):
        assert client.post("/v1/items", json={"items": [good, bad]}).status_code in (404, 422)
    assert client.get("/v1/items/top/good").status_code == 404
    outfits = {"fine": OUTFIT, "broken": {"top": "no-such-top"}}
    assert client.post("/v1/outfits", json={"outfits": outfits}).status_code == 404
    with pytest.raises(UnknownIdError):
        recommender(client).outfit("fine")


def picture(form="PNG", size=(40, 60)):
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, form)
    return out.getvalue()


def test_a_picture_is_sent_in_base64_and_never_named_as_a_file(client, tmp_path):
    def put(value):
        item = {"item_id": "p", "type": "top", **CODE, "picture": value}
        return client.post("/v1/items", json={"items": [item]})

    (tmp_path / "secret.png").write_bytes(picture())
    for bad in (str(tmp_path / "secret.png"), base64.b64encode(bomb()).decode(), base64.b64encode(b"<svg>").decode()):
        refused = put(bad)
        assert refused.status_code == 422, bad[:40]
        assert refused.json()["errors"][0]["pointer"] == "/items/0/picture"
    assert put(base64.b64encode(picture()).decode()).status_code == 200
    got = client.get("/v1/items/top/p/picture")
    assert got.headers["content-type"] == "image/jpeg"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "max-age" in got.headers["cache-control"]
    again = client.get("/v1/items/top/p/picture", headers={"If-None-Match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_change_sent_again_under_its_key_gets_the_same_reply(client, path):
    key = {"Idempotency-Key": "change-1"}
    first = client.post("/v1/outfits", json={"outfits": {"look": OUTFIT}}, headers=key)
    assert first.json() == {"changed": {"main": 1}}
    again = client.post("/v1/outfits", json={"outfits": {"look": OUTFIT}}, headers=key)
    assert again.json() == first.json()
    other = client.post("/v1/outfits", json={"outfits": {"look-2": OUTFIT}}, headers=key)
    assert other.status_code == 422
    with serving(str(path)) as later:
        after_a_restart = later.post("/v1/outfits", json={"outfits": {"look": OUTFIT}}, headers=key)
    assert after_a_restart.json() == first.json()


def test_feedback_is_kept_and_a_like_changes_the_next_answer(client, path):
    user = "user-1"
    before = client.post(f"/v1/users/{user}/outfits", json={"k": 5}).json()
    liked, shown = before["outfits"][0], before["outfits"][1]
    from_answer = {"user": user, "recommendation_id": before["recommendation_id"]}
    events = [
        {**from_answer, "kind": "shown", "outfit": shown["outfit_id"], "event_id": "e-1"},
        {**from_answer, "kind": "liked", "outfit": liked["outfit_id"], "event_id": "e-2"},
        {"user": "brand-new", "kind": "liked", "item": {"type": "shoe", "item_id": "shoe-3"}},
    ]
    assert client.post("/v1/feedback", json={"events": events}).json() == {"stored": 3, "folded": 2}
    after = client.post(f"/v1/users/{user}/outfits", json={"k": 5}).json()
    assert liked["outfit_id"] not in [outfit["outfit_id"] for outfit in after["outfits"]]
    assert liked["items"] in recommender(client).liked(user)
    assert client.post("/v1/users/brand-new/outfits", json={}).json()["personal"]
    again = client.post("/v1/feedback", json={"events": events[:2]}).json()
    assert again["stored"] == 0
    undone = [{"user": user, "kind": "undone", "outfit": liked["outfit_id"]}]
    client.post("/v1/feedback", json={"events": undone})
    assert liked["items"] not in recommender(client).liked(user)
    kept = list(FeedbackStore(path / "service").events())
    assert [event.kind for event in kept] == ["shown", "liked", "liked", "undone"]
    assert kept[0].items == shown["items"]
    [report] = client.get("/v1/feedback/report").json()["models"]
    assert (report["shown"], report["liked"], report["users"]) == (1, 2, 2)


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "liked", "outfit": "no-such-outfit"},
        {"kind": "liked", "outfit": {"top": "no-such-top"}},
        {"kind": "shown", "item": {"type": "hat", "item_id": "x"}},
        {"kind": "shown"},
        {"kind": "seen", "outfit": OUTFIT},
        {"kind": "shown", "outfit": OUTFIT, "time": "2999-01-01T00:00:00Z"},
    ],
)
def test_a_bad_event_keeps_none_of_its_batch(client, path, event):
    good = {"user": "user-1", "kind": "liked", "outfit": OUTFIT}
    reply = client.post("/v1/feedback", json={"events": [good, {"user": "user-1", **event}]})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"].startswith("/events/1")
    assert list(FeedbackStore(path / "service").events()) == []
    assert OUTFIT not in recommender(client).liked("user-1")


def test_a_batch_of_events_that_is_refused_folds_nobody(client):
    client.put("/v1/users/gone", json={"liked": [OUTFIT]})
    client.delete("/v1/users/gone")
    for last in ({"user": "gone"}, {"user": "\n"}):
        events = [{"user": "newcomer", "kind": "liked", "outfit": OUTFIT}, {**last, "kind": "liked", "outfit": OUTFIT}]
        assert client.post("/v1/feedback", json={"events": events}).status_code in (409, 422)
        assert not recommender(client).knows_user("newcomer")


def test_an_event_that_comes_again_is_neither_kept_nor_folded_nor_counted_again(client):
    def send(kind, event_id, user="reader"):
        event = {"user": user, "kind": kind, "outfit": OUTFIT, "event_id": event_id}
        return client.post("/v1/feedback", json={"events": [event, event]}).json()

    assert send("liked", "e-1") == {"stored": 1, "folded": 1}
    assert send("disliked", "e-2") == {"stored": 1, "folded": 1}
    assert send("liked", "e-1") == {"stored": 0, "folded": 0}
    assert send("liked", "e-2", user="somebody else") == {"stored": 0, "folded": 0}
    assert recommender(client).liked("reader") == []
    assert not recommender(client).knows_user("somebody else")
    lines = client.get("/metrics").text.splitlines()
    counts = {line for line in lines if line.startswith("fashion_hash_feedback_total{")}
    assert counts == {
        f'fashion_hash_feedback_total{{kind="{kind}",model="main"}} 1.0' for kind in ("liked", "disliked")
    }


def test_a_key_of_a_change_of_another_model_is_of_another_change(client):
    body, key = {"liked": [OUTFIT]}, {"Idempotency-Key": "k"}
    assert client.put("/v1/users/x", json=body, headers=key).status_code == 201
    assert client.put("/v1/users/x", json=body, headers=key).status_code == 201
    assert client.put("/v1/users/x?model=main", json=body, headers=key).status_code == 422


def test_keys_wait_for_themselves_and_not_for_others(tmp_path):
    replies, made, go = Replies(tmp_path), [], threading.Event()

    def slowly():
        assert go.wait(30)
        made.append(1)
        return Kept(200, b"slow")

    with ThreadPoolExecutor(3) as threads:
        same = [threads.submit(replies.once, "slow", "d", slowly) for _ in range(2)]
        assert replies.once("quick", "d", lambda: Kept(200, b"quick")) == Kept(200, b"quick")
        go.set()
        assert [each.result() for each in same] == [Kept(200, b"slow")] * 2
    assert made == [1]


def test_ids_are_as_long_in_paths_and_keys_as_in_bodies(client):
    assert client.put(f"/v1/users/{1_000 * 'ü'}", json={}).status_code == 201
    assert client.put(f"/v1/users/{1_001 * 'u'}", json={}).status_code == 422
    assert client.post("/v1/outfits", json={"outfits": {1_001 * "o": OUTFIT}}).status_code == 422


def test_a_full_disk_is_said_and_reading_goes_on(client, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "feedback.sqlite")

    monkeypatch.setattr(FeedbackStore, "append", full)
    event = {"user": "user-1", "kind": "shown", "outfit": OUTFIT}
    assert client.post("/v1/feedback", json={"events": [event]}).status_code == 507
    assert client.post("/v1/users/user-1/outfits", json={}).status_code == 200


def test_users_belong_to_one_of_several_models_for_good(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        new_bundle(tmp_path / name, seed=seed)
    bundles = [f"A={tmp_path / 'a'}", f"B={tmp_path / 'b'}"]
    with serving(*bundles, split="90,10") as client:
        names = [client.app.state.service.models.of(f"someone-{number}").name for number in range(2000)]
        assert 140 < names.count("B") < 260
        got = client.post("/v1/users/user-1/outfits", json={}).json()
        assert got["model"] == client.app.state.service.models.of("user-1").name
        assert got["recommendation_id"].startswith(f"{got['model']}~")
        named = client.post("/v1/users/user-1/outfits?model=B", json={}).json()
        assert named["model"] == "B"
        assert client.post("/v1/users/user-1/outfits?model=C", json={}).status_code == 422
        for name in "AB":
            client.put(f"/v1/users/x?model={name}", json={"liked": [OUTFIT]})
        assert client.delete("/v1/users/x").json()["models"] == ["A", "B"]
    assert Models.open(bundles, "90,10").of("someone-7").name == names[7]


def test_errors_name_what_http_has_rather_than_what_python_has(client):
    unknown = client.post("/v1/users/nobody/outfits", json={}).json()["detail"]
    assert "add_user" not in unknown
    assert '"if_unknown": "anonymous"' in unknown
    client.put("/v1/users/gone", json={})
    client.delete("/v1/users/gone")
    assert '"again": true' in client.put("/v1/users/gone", json={}).json()["detail"]


def test_a_bundle_that_is_away_is_counted_and_no_fault_of_an_event(client, path):
    client.put("/v1/users/x", json={"liked": [OUTFIT]})
    path.rename(path.parent / "away")
    event = {"user": "x", "kind": "liked", "outfit": OUTFIT}
    refused = client.post("/v1/feedback", json={"events": [event]})
    assert refused.status_code == 503
    assert "errors" not in refused.json()
    assert client.get("/metrics").status_code == 200
    assert not path.exists()
    (path.parent / "away").rename(path)
    assert client.post("/v1/feedback", json={"events": [event]}).status_code == 200


def test_an_item_that_only_one_of_several_models_has_is_found_there(tmp_path):
    for name in "ab":
        new_bundle(tmp_path / name)
    with serving(f"A={tmp_path / 'a'}", f"B={tmp_path / 'b'}") as client:
        for number in range(6):
            item = {"item_id": f"only-{number}", "type": "top", **CODE}
            client.post(f"/v1/items?model={'AB'[number % 2]}", json={"items": [item]})
        for number in range(6):
            assert client.get(f"/v1/items/top/only-{number}").status_code == 200
            assert client.get(f"/v1/items/top/only-{number}/similar").json()["model"] == "AB"[number % 2]
            assert client.get(f"/v1/items/top/only-{number}?model={'BA'[number % 2]}").status_code == 404


def test_a_change_that_a_later_model_refuses_says_which_took_it(tmp_path):
    for name in "ab":
        new_bundle(tmp_path / name)
    with serving(f"A={tmp_path / 'a'}", f"B={tmp_path / 'b'}") as client:
        client.post("/v1/items?model=A", json={"items": [{"item_id": "only", "type": "top", **CODE}]})
        refused = client.post("/v1/outfits", json={"outfits": {"look": {"top": "only", "shoe": "shoe-1"}}})
        assert refused.status_code == 404
        assert "model B refuses this: unknown top 'only'; A took it already" in refused.json()["detail"]


def test_other_processes_reload_the_model_that_was_told_alone(tmp_path):
    for name in "ab":
        new_bundle(tmp_path / name)
    bundles = [f"A={tmp_path / 'a'}", f"B={tmp_path / 'b'}"]
    first, second = (Models.open(bundles) for _ in range(2))
    teller, listener = (Watch(models, tmp_path, Metrics()) for models in (first, second))
    before = {model.name: model.recommender for model in second}
    (tmp_path / "b/manifest.json").unlink()  # B could not be opened again
    teller.tell_reload("A")
    listener.look()
    assert second.of("", "A").recommender is not before["A"]
    assert second.of("", "B").recommender is before["B"]
    teller.tell_reload(None)
    listener.look()
    assert second.of("", "B").recommender is before["B"]


def test_a_reload_swaps_a_good_bundle_and_refuses_a_bad_one(client, path):
    before = recommender(client)
    assert client.post("/v1/model:reload", json={}).status_code == 200
    after = recommender(client)
    assert after is not before
    [file] = list(path.rglob("codes/users.npy"))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert client.post("/v1/model:reload", json={}).status_code == 503
    assert recommender(client) is after
    assert client.post("/v1/users/user-1/outfits", json={}).status_code == 200


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted through /proc")
def test_reloads_leave_no_files_open(client):
    def count():
        assert client.post("/v1/model:reload", json={}).status_code == 200
        return len(os.listdir("/proc/self/fd"))

    client.post("/v1/outfits", json={"outfits": {"look": OUTFIT}})
    counts = [count() for _ in range(6)]
    assert max(counts[2:]) <= counts[1] + 2, counts
