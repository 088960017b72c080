"""One training by one process and by two, with the same batches: losses, test AUC, time; and one that loses a process.

    python benchmarks/bench_ddp.py [--config configs/demo.yaml] [--set KEY=VALUE ...] [--batch 1024] [--epochs 4]

Trains three times: by one process on one thread, by two processes that torchrun starts, and by two of which the second
is killed (SIGKILL) in the middle of the third epoch and which torchrun starts again. There is no dropout, whose units
each process draws for itself. Time is that of the steps of an epoch, the shortest of the epochs; efficiency is the gain
over one process divided by two.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

import results
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.runs.run import Run
from results import PROJECT

TRAIN = str(PROJECT / "tools/train.py")
KILLED_AFTER = 2  # epochs
SINGLE = {"OMP_NUM_THREADS": "1"}


def start(options: argparse.Namespace, out: Path, torchrun: Sequence[str]) -> subprocess.Popen[str]:
    values = [
        f"train.epochs={options.epochs}",
        f"train.batch_size={options.batch}",
        "train.device=cpu",
        "model.dropout=0",
        *options.set,
    ]
    command = [sys.executable, *torchrun, TRAIN, options.config, "--out", str(out)]
    overrides = [part for value in values for part in ("--set", value)]
    return subprocess.Popen([*command, *overrides], env={**os.environ, **SINGLE}, stdout=subprocess.DEVNULL, text=True)


def two(port: int) -> list[str]:
    address = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    return ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1", *address]


def workers(process: subprocess.Popen[str]) -> list[int]:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(child) for child in text.split() if TRAIN in Path(f"/proc/{child}/cmdline").read_text()]


def history(out: Path) -> list[dict[str, Any]]:
    path = out / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def finish(process: subprocess.Popen[str], out: Path) -> dict[str, Any]:
    if process.wait():
        raise SystemExit(f"the training in {out} failed")
    epochs = history(out)
    measured = evaluate(Run.open(out))["protocols"]
    auc = next(iter(measured.values()))["binary"]["auc"]
    return {
        "losses": [one["loss"] for one in epochs],
        "test_auc": auc,
        "seconds": min(one["seconds"] for one in epochs),
    }


def killed(options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """A training by two, the second of which is killed while it works on an epoch."""
    process = start(options, out, two(29_877))
    while len(history(out)) < KILLED_AFTER:
        if process.poll() is not None:
            raise SystemExit(f"the training in {out} ended before anything was killed")
        time.sleep(0.02)
    time.sleep(history(out)[-1]["seconds"] / 2)
    before = len(history(out))
    os.kill(workers(process)[1], signal.SIGKILL)
    return {**finish(process, out), "epochs_before": before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--batch", type=int, default=1024, help="outfits of the whole batch")
    parser.add_argument("--epochs", type=int, default=4)
    results.add_options(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures: dict[str, Any] = {"config": options.config, "batch": options.batch, "epochs": options.epochs}
        figures["one"] = finish(start(options, folder / "one", []), folder / "one")
        figures["two"] = finish(start(options, folder / "two", two(29_876)), folder / "two")
        figures["killed"] = killed(options, folder / "killed")
        whole, parts = (load_file(folder / run / "last.safetensors") for run in ("two", "killed"))
        figures["killed"]["same_bits"] = all(bool((whole[key] == parts[key]).all()) for key in whole)
    one, both = figures["one"], figures["two"]
    figures["efficiency"] = one["seconds"] / both["seconds"] / 2
    figures["largest_difference"] = max(abs(a - b) for a, b in zip(one["losses"], both["losses"]))
    if results.hand_over(options, figures):
        return
    for label in ("one", "two", "killed"):
        losses = ", ".join(f"{loss:.6f}" for loss in figures[label]["losses"])
        print(
            f"{label:7} losses {losses}; test AUC {figures[label]['test_auc']:.4f}; {figures[label]['seconds']:.2f} s"
        )
    print(f"losses of one and two processes differ by {figures['largest_difference']:.1e} at most")
    print(f"efficiency of two processes: {figures['efficiency']:.0%}")
    same = "the same bits as" if figures["killed"]["same_bits"] else "NOT the same as"
    print(f"killed after epoch {figures['killed']['epochs_before']} and started again: {same} the undisturbed training")


if __name__ == "__main__":
    main()
