"""What teachers and students are and cost: parameters, bits, the time of an outfit, the time of training."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from distillation_runs import BITS, BOTH, ENCODER, FHN, FND, TAUGHT, TEACHER, Bench

from fashion_hash.config.experiment import Config
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import Dataset
from fashion_hash.models.outfit_encoder import OutfitEncoder
from fashion_hash.training.optimisers import PartOptimiser
from fashion_hash.training.outfits.objective import Objective
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.outfits.training_data import TrainingData
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import Run, make_model
from fashion_hash.training.schedules import slope_of

MEASURED = (TEACHER, BOTH, f"{ENCODER} + both", f"{BITS} + both")
ENCODED = 4096


def sizes(bench: Bench, seed: int) -> dict[str, Any]:
    """What teacher and students are, and what they cost."""
    student = bench.config(FND, seed)
    rows = [_size(bench, name, seed, student) for name in MEASURED if name in bench.cases]
    return {
        "models": rows,
        "epoch_with_teacher_over_alone": epoch_ratios(bench, seed),
        "teacher": how_taught(student),
    }


def _size(bench: Bench, name: str, seed: int, student: Config) -> dict[str, Any]:
    run = bench.run(name, seed)
    dataset = bench.dataset(run.config)
    model, _, _ = run.model(dataset)
    # a teacher of codes is asked for its relaxed ones, which are floats
    floats = name == TEACHER and student.teacher is not None and student.teacher.codes == "relaxed"
    if isinstance(model, OutfitEncoder):
        what, numbers, floats = "outfit encoder", model.num_bits, floats or model.output == "float"
    else:
        what, numbers = "FHN", model.num_bits * len(model.modalities) * len(dataset.slots)
    bits = 32 if floats else 1
    parameters = sum(one.numel() for of, one in model.named_parameters() if not of.startswith("projection."))
    return {
        "model": name,
        "what": what,
        "answers_in": "floats" if floats else "bits",
        "parameters": parameters,
        "bytes": 4 * parameters,
        "bits_an_outfit": bits * numbers,
        "bits_a_user": bits * model.num_bits,
        "microseconds_an_outfit": encoding_time(run, dataset),
        "training_seconds": sum(one["seconds"] for one in run.history),
    }


@torch.no_grad()
def encoding_time(run: Run, dataset: Dataset, rounds: int = 7) -> float:
    """Microseconds from features (or ids) of its items to what stands for an outfit: the median of rounds."""
    model, inputs, slope = run.model(dataset)
    outfits = dataset.split("test").positives[:ENCODED]
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        rows, positions = {}, np.full(outfits.items.shape, -1, dtype=np.int64)
        for kind in dataset.types:
            here = [slot for slot, one in enumerate(dataset.slots) if one == kind]
            own = outfits.items[:, here].astype(np.int64)
            distinct, inverse = np.unique(own[own >= 0], return_inverse=True)
            spread = np.full(own.shape, -1, dtype=np.int64)
            spread[own >= 0] = inverse
            positions[:, here] = spread
            rows[kind] = torch.from_numpy(distinct)
        on_device = {kind: one.to(inputs.device) for kind, one in rows.items()}
        codes = model.item_codes(inputs(rows), on_device, slope)
        model.outfit_vectors(codes, torch.from_numpy(positions).to(inputs.device))
        taken.append(time.perf_counter() - started)
    return 1e6 * statistics.median(taken) / len(outfits)


def how_taught(config: Config) -> str:
    """When a student's teacher is asked for distances."""
    negatives, teacher = config.negatives, config.teacher
    if teacher is None:
        return "no teacher"
    if negatives.kind == "shared" and teacher.per_positive is None:
        return "shared negatives are judged at each step, nothing is cached"
    if negatives.kind == "random" and negatives.items_a_batch is not None:
        return "negatives of a batch are judged at each step, nothing is cached"
    return "its distances of an epoch's negatives cached" if teacher.cache else "distances reckoned anew each epoch"


def epoch_ratios(bench: Bench, seed: int, steps: int = 60) -> dict[str, float]:
    """Time of training with a teacher over time without, an epoch's own costs included: steps in turn.

    By case; what a teacher says of the first epoch's negatives is cached before, where it can be.
    """
    bench.run(TEACHER, bench.taught_by(seed))
    cases = (FHN, FND, TAUGHT)
    dataset = bench.dataset(bench.config(FHN, seed))
    for _ in zip(range(1), _steps(bench.config(FND, seed), dataset)):
        pass
    loops = [_steps(bench.config(case, seed), dataset) for case in cases]
    taken = [0.0] * len(cases)
    for _ in range(steps):
        spent = []
        for loop in loops:
            started = time.perf_counter()
            if next(loop, None) is None:
                break
            spent.append(time.perf_counter() - started)
        if len(spent) < len(loops):
            break
        taken = [all_of + one for all_of, one in zip(taken, spent)]
    return {case: own / taken[0] for case, own in zip(cases[1:], taken[1:])}


def _steps(config: Config, dataset: Dataset) -> Iterator[float]:
    """Trains an epoch, step by step; what the run itself pays once is paid before the first."""
    inputs = ItemInputs(config, dataset)
    teacher = None if config.teacher is None else Teacher(config.teacher, dataset)
    model = make_model(config, dataset, inputs).to(inputs.device).train()
    optimiser = PartOptimiser(model.parts(), model.sparse_parameters(), config.optimiser)
    data, objective = TrainingData(config, dataset, inputs, teacher), Objective(config, model, inputs)

    def steps() -> Iterator[float]:
        for step, batch in enumerate(data.epoch(0)):
            loss = objective(batch, slope_of(0, 1.0), generator(0, "bench", step))
            optimiser.step(loss)
            yield float(loss.detach())

    return steps()
