"""Which process this is of how many. By itself a process is the first of one, and nothing here does anything."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from fashion_hash.core.files import write_text
from fashion_hash.errors import ConfigError, TrainingError

WAIT = timedelta(hours=12)  # others wait as long as the first measures; torchrun ends them when one has failed
STARTED_BY = "torchrun"  # a file of the run folder: which torchrun started the run


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Joins the processes that torchrun started, within the block: by NCCL on GPUs, otherwise by gloo.

    Args:
        device: `train.device`; with "auto" or "cuda" each process takes the GPU of its place on the machine.

    Raises:
        ConfigError: a process has no GPU of its own.
        TrainingError: this process cannot go on because another one has ended.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    on_gpus = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpus:
        place, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= count:
            raise ConfigError(
                f"train.device: process {place + 1} of this machine has no GPU of its own, there are {count}: start "
                f"at most {count} with --nproc-per-node, or set train.device to cpu"
            )
        torch.cuda.set_device(place)
    store, place, count = next(rendezvous("env://", timeout=WAIT))
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:  # else the count may differ between machines
        # after a restart the addresses of the processes before are still there: nobody must take them for new ones
        store = PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "nccl" if on_gpus else "gloo"
    distributed.init_process_group(backend, timeout=WAIT, store=store, rank=place, world_size=count)
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        reason = re.sub(r"^\[\S+\] |\. This is .*", "", str(error).strip().splitlines()[0])
        raise TrainingError(
            f"process {place + 1} of {count} ends, because another one has ended or cannot be reached ({reason}): "
            "see what that one printed"
        ) from error
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if _several() else 0


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _several() else 1


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def check_alone(what: str) -> None:
    """Raises ConfigError where several processes train what one has to train alone."""
    if world() > 1:
        raise ConfigError(f"{what} is trained by one process: start it without torchrun")


def my_device(name: str) -> str:
    """`train.device` for this process: of several, each has its own GPU."""
    if world() > 1 and distributed.get_backend() == "nccl" and name in ("auto", "cuda"):
        return f"cuda:{torch.cuda.current_device()}"
    return name


def part(count: int) -> slice:
    """The share of `count` rows that this process works on; shares differ by one row at most."""
    return slice(count * rank() // world(), count * (rank() + 1) // world())


def wait() -> None:
    """Waits until all processes have come here."""
    if world() > 1:
        distributed.barrier()


@contextmanager
def one_after_another() -> Iterator[None]:
    """The first process runs the block, then all others: what it leaves on the disk is there for them."""
    if world() == 1:
        yield
        return
    if rank():
        distributed.barrier()
    yield
    if not rank():
        distributed.barrier()


def shared(value: Any) -> Any:
    """What the first process has, a value that JSON can hold, in all of them."""
    if world() == 1:
        return value
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    content = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8).to(device)
    size = torch.tensor([len(content)], device=device)
    distributed.broadcast(size, 0)
    if rank():
        content = torch.empty(int(size), dtype=torch.uint8, device=device)
    distributed.broadcast(content, 0)
    return json.loads(bytes(content.cpu().numpy()))


def mark_started(folder: Path) -> None:
    """Notes in a run folder which torchrun started the run: a restart goes on with this run, and with no older one."""
    if world() > 1:
        write_text(folder / STARTED_BY, _starter())


def restarted(folder: Path) -> bool:
    """Whether torchrun has started the processes again, after one of them failed, and the run in a folder is theirs.

    The first process looks, for all.
    """
    path = folder / STARTED_BY
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    return bool(
        shared(not rank() and by_torchrun and path.is_file() and path.read_text(encoding="utf-8") == _starter())
    )


def _starter() -> str:
    """Names the torchrun that started this process: it outlives the processes that it restarts."""
    return f"{socket.gethostname()} {os.environ.get('TORCHELASTIC_RUN_ID', '')} {os.getppid()}"
