"""A composition that would take hours ends when somebody presses Ctrl-C, and in time for a service's deadline."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fashion_hash.index.build import build_index
from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from tests.paths import PROJECT
from tests.worlds.random_bundles import random_bundle, random_pool

LONG = 60.0  # seconds that a busy machine may take for what takes one
BEGUN = "begun"
COMPOSE = f"""
import signal
import sys
from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.retrieval.composition import branch_and_bound
from fashion_hash.retrieval.recommender import Recommender

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background of a shell ignore it

def compose(options):
    recommender = Recommender.load(sys.argv[1])
    branch = branch_and_bound.branch

    def begun(*arguments):
        print("{BEGUN}", flush=True)
        return branch(*arguments)

    branch_and_bound.branch = begun
    return len(recommender.compose("user-0", 10).hits)

parser = Parser()
parser.add_argument("bundle")
sys.exit(run_command(parser, compose, sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sets of eight out of a thousand random items: minutes do not suffice to prove the best."""
    path = tmp_path_factory.mktemp("endless") / "b"
    bundle = random_bundle(path, slots=("item",) * 8, num_items=1000, num_bits=256)
    build_index(bundle, random_pool(bundle, 5))
    return path


def test_ctrl_c_ends_a_composition(endless: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMPOSE, str(endless)], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == BEGUN  # bounds are there, outfits are being filled
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(LONG) == 130
    finally:
        process.kill()
        process.wait()


def test_a_service_answers_in_time_and_says_that_nothing_is_proven(endless: Path) -> None:
    with TestClient(create_app(Models.open([str(endless)]))) as client:
        for path, body in (
            ("/v1/users/user-0/compose", {}),
            ("/v1/users/user-0/complete", {"items": {"item": "item-3"}}),
            ("/v1/users/user-1/compose", {"max_repeats": 1}),
        ):
            reply = client.post(path, json={"k": 3, "timeout_ms": 50, **body}, timeout=LONG)
            assert reply.status_code == 200, reply.text
            answer = reply.json()
            assert answer["exact"] is False
            assert 1 <= len(answer["outfits"]) <= 3
            assert answer["gap"] > 0 if len(answer["outfits"]) == 3 else answer["gap"] is None
            assert "max_repeats" in body or len(answer["outfits"]) == 3
