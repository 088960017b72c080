"""One training at a time in a run folder; what a killed one leaves behind blocks nobody."""

import os
import signal
import subprocess
import sys

import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.config.requests import RequestConfig
from fashion_hash.core.locks import hold
from fashion_hash.errors import TrainingError
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.requests.loop import fit_requests
from tests.paths import PROJECT
from tests.worlds.tiny import tiny_dataset, tiny_values
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests

KILLED = """
import os, signal, sys
from pathlib import Path
from fashion_hash.config.experiment import make_config
from fashion_hash.training.outfits import loop
from tests.worlds.tiny import tiny_dataset, tiny_values
replace = os.replace
def killed(source, target):
    if Path(target).name == "config.yaml":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = killed
loop.fit(make_config(tiny_values(train={"epochs": 1})), tiny_dataset(), sys.argv[1])
"""


def train(out, **options):
    return fit(make_config(tiny_values(train={"epochs": 2})), tiny_dataset(), out, **options)


@pytest.mark.parametrize("resume", [False, True])
def test_the_second_training_is_told_who_is_at_work_since_when_and_changes_nothing(tmp_path, resume):
    out, refused = tmp_path / "run", []

    def second(line):
        if line.startswith("epoch   1/"):
            before = {path.name: path.read_bytes() for path in out.iterdir()}
            with pytest.raises(TrainingError, match=rf"process {os.getpid()} on \S+ has since 20\d\d-") as error:
                train(out / "../run", resume=resume)
            refused.append(str(error.value))
            assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    run = train(out, report=second)
    assert len(refused) == 1
    assert len(run.history) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # no lock is left


def test_trainings_on_requests_take_turns_too(tmp_path):
    config = RequestConfig(**tiny_request_values(train={"epochs": 1}))
    with hold(tmp_path / "run", "training into it", TrainingError), pytest.raises(TrainingError, match="is in use"):
        fit_requests(config, tiny_requests(), tmp_path / "run")


def test_a_lock_goes_with_its_process(tmp_path):
    script = (
        "import sys, os, signal; from pathlib import Path; from fashion_hash.core.locks import hold\n"
        "with hold(Path(sys.argv[1]), 'training into it', RuntimeError): os.kill(os.getpid(), signal.SIGKILL)"
    )
    process = subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], cwd=PROJECT, check=False)
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / ".run.holder").exists()
    with hold(tmp_path / "run", "training into it", TrainingError):
        pass


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_killed_training_leaves_does_not_block_its_name(tmp_path, resume):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.config.yaml.abc.partial.yaml").write_text("half")
    (tmp_path / ".run.holder").write_text("{}")
    run = train(tmp_path / "run", resume=resume)
    assert len(run.history) == 2
    assert not list(run.path.glob(".*"))
    assert not list(tmp_path.glob("run.old*"))


@pytest.mark.slow  # tests/kills has ordinary ones
@pytest.mark.parametrize("resume", [False, True])
def test_a_training_killed_at_its_first_file_does_not_block_its_name(tmp_path, resume):
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "run")], cwd=PROJECT, check=False)
    assert process.returncode == -signal.SIGKILL
    [left] = (tmp_path / "run").iterdir()
    assert left.name.startswith(".config.yaml.")
    run = train(tmp_path / "run", resume=resume)
    assert len(run.history) == 2
    assert not list(run.path.glob(".*"))
    assert not list(tmp_path.glob("run.old*"))


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.config.yaml.abc.partial.yaml").write_text("half")
    (tmp_path / "run/thesis.tex").write_text("mine")
    for resume, message in ((False, "not a run folder"), (True, "nothing to resume")):
        with pytest.raises(TrainingError, match=message):
            train(tmp_path / "run", resume=resume)
    assert len(list((tmp_path / "run").iterdir())) == 2
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TrainingError, match="not a run folder"):
        train(tmp_path / "file")
