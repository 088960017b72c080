"""Which training requests an epoch holds: each review once a pass, with one of its items."""

from collections import Counter
from dataclasses import replace

from fashion_hash.config.experiment import make_request_config
from fashion_hash.data.requests.table import Requests
from fashion_hash.training.requests.batches import RequestBatches
from fashion_hash.training.requests.inputs import RequestInputs
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests

# user, item, text, time; the first three and the next two are one review on several items
TRAIN = [
    (0, 0, "red linen", 5),
    (0, 1, "red linen", 5),
    (0, 2, "red linen", 5),
    (1, 3, "blue wool", 6),
    (1, 4, "blue wool", 6),
    (1, 5, "green silk", 6),
    (2, 6, "red linen", 5),
    (2, 7, "red linen", 7),
]
REVIEWS = [{0, 1, 2}, {3, 4}, {5}, {6}, {7}]  # by their items; each item is in one of them


def test_every_review_comes_once_a_pass_with_any_of_its_items() -> None:
    data = tiny_requests()
    data = replace(data, splits={**data.splits, "train": Requests.of(*map(list, zip(*TRAIN)))})
    config = make_request_config(
        tiny_request_values(requests={"hide_items": 0.0}, train={"batch_size": 5, "steps": 40, "descriptions": 0.0})
    )
    batches = RequestBatches(RequestInputs(config, data))
    assert batches.size == len(REVIEWS)
    drawn = Counter[tuple[int, int]]()
    for batch in batches.epoch(0):
        drawn.update(zip(batch.users.tolist(), batch.rows[batch.target].tolist()))
    assert set(drawn) == {(user, item) for user, item, _, _ in TRAIN}
    by_review = [sum(count for (_, item), count in drawn.items() if item in items) for items in REVIEWS]
    assert by_review == [40] * len(REVIEWS)
