"""What a run tells of each epoch beside its measures."""

import time
from pathlib import Path

import pytest

from fashion_hash.config.experiment import make_config, make_request_config
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.requests.loop import fit_requests
from tests.worlds.tiny import tiny_dataset, tiny_values
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests


@pytest.mark.parametrize("trained_on", ["outfits", "requests"])
def test_the_seconds_of_the_epochs_are_part_of_those_of_the_run(tmp_path: Path, trained_on: str) -> None:
    began = time.perf_counter()
    if trained_on == "outfits":
        history = fit(make_config(tiny_values(train={"epochs": 2})), tiny_dataset(), tmp_path / "run").history
    else:
        config = make_request_config(tiny_request_values(train={"epochs": 2}))
        history = fit_requests(config, tiny_requests(), tmp_path / "run").history
    seconds = [epoch["seconds"] for epoch in history]
    assert len(seconds) == 2
    assert min(seconds) > 0
    assert sum(seconds) < time.perf_counter() - began
