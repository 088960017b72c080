"""A training killed with SIGKILL goes on where it was, and ends as if nothing had happened."""

import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.paths import PROJECT


def command(root, out, *more):
    settings = [f"data.root={root}", "train.epochs=4", "train.batch_size=512", "negatives.per_positive=1"]
    overrides = [part for one in settings for part in ("--set", one)]
    return [sys.executable, "-u", "tools/train.py", "configs/demo.yaml", "--out", str(out), *overrides, *more]


@pytest.mark.slow
@pytest.mark.parametrize("epochs_seen", [0, 2])
def test_kill_9_and_resume(sample_root, tmp_path, epochs_seen):
    subprocess.run(command(sample_root, tmp_path / "whole"), cwd=PROJECT, check=True, capture_output=True)
    process = subprocess.Popen(command(sample_root, tmp_path / "parts"), cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if epochs_seen == 0 or line.startswith(f"epoch   {epochs_seen}/"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    subprocess.run(command(sample_root, tmp_path / "parts", "--resume"), cwd=PROJECT, check=True, capture_output=True)
    whole, parts = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
