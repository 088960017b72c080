"""What a crowd or a catalogue of any size takes: bytes, machines and money, from what bench_plan.py measured.

    python benchmarks/scale_plan.py [--outfits 1e9] [--questions 1000] [--deadline 0.1] [--cores 32] [--gib 256]
                                    [--bandwidth 200] [--dollars 2] [--users 1e8] [--items 1e7]

A shard is what one machine scans with all its cores, and may hold what these scan in half of the deadline. Questions
that come while others are answered are answered together, sixteen at most. The machine is an assumption, not a
measurement: what it costs an hour (--dollars), and what its memory gives (--bandwidth) as well.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import results

HOURS = 730  # of a month
FREE = 0.7  # the share of a machine's memory that files may fill
LIMIT_ROWS = 1 << 31  # the rows of a pool are numbered in 32 bits
TOGETHER = 16  # questions that the service answers at once


@dataclass(frozen=True)
class Constants:
    """What one core of the measured machine takes.

    Attributes:
        scanned: bytes of an outfit that shards read.
        told: bytes of an outfit that the service reads: ids, items, exact terms.
        item: bytes of an item.
        partners: bytes of an item's partner lists.
        user: bytes of a user with eight likes.
        alone: seconds an outfit, when users are asked one by one.
        together: the same of a user in a batch of sixteen.
        bulk: the same of a user in a batch of 64.
        way_a_shard: seconds that a shard adds to the way of a question.
        composition: items a type and seconds of an exact answer, by size.
        lists: items a type and seconds of building partner lists with all cores, by size.
    """

    scanned: float
    told: float
    item: float
    partners: float
    user: float
    alone: float
    together: float
    bulk: float
    way_a_shard: float
    composition: Sequence[tuple[int, float]]
    lists: Sequence[tuple[int, float]]


class Machine(NamedTuple):
    """A machine to plan with: its memory in GiB and GB a second, and what it costs an hour."""

    cores: int = 32
    gib: float = 256.0
    bandwidth: float = 200.0
    dollars: float = 2.0


class Load(NamedTuple):
    """Questions a second, and the seconds within which each is to be answered."""

    questions: float = 1_000.0
    deadline: float = 0.1


class Plan(NamedTuple):
    """What a pool takes.

    Attributes:
        scanned: bytes that shards keep in memory, a replica.
        told: bytes that a service maps.
        machines: how many, by what asks for them: "memory", "deadline" and "questions".
        bottleneck: what asks for most.
        shards: a machine each; other machines are replicas.
        service: cores that ask the shards.
        dollars: a month.
    """

    scanned: float
    told: float
    machines: Mapping[str, int]
    bottleneck: str
    shards: int
    service: float
    dollars: float


def constants(figures: Mapping[str, Any]) -> Constants:
    """The constants in what bench_plan.py measured."""
    size, scan = figures["bytes"], figures["scan"]
    return Constants(
        scanned=size["outfit_scanned"],
        told=size["outfit_told"],
        item=size["item"],
        partners=size["item_partners"],
        user=size["user"],
        alone=scan["alone"] / 1e9,
        together=scan["batch_16"] / 1e9,
        bulk=scan["batch_64"] / 1e9,
        way_a_shard=figures["cluster"]["way_a_shard"] / 1e3,
        composition=[(row["items"], row["seconds"]) for row in figures["composition"]],
        lists=[(row["items"], row["lists_seconds"]) for row in figures["composition"]],
    )


def seconds_of_scan(of: Constants, outfits: float, machine: Machine) -> float:
    """One user's scan by all cores of a machine, which share its memory."""
    return outfits * max(of.alone / machine.cores, of.scanned / machine.bandwidth / 1e9)


def plan(of: Constants, outfits: float, machine: Machine, load: Load) -> Plan:
    """How many machines a pool takes, and how many shards it is divided into."""
    wanted = {
        "memory": outfits * of.scanned / (FREE * machine.gib * 2**30),
        "deadline": seconds_of_scan(of, outfits, machine) / (load.deadline / 2),
        "questions": load.questions * outfits * of.together / machine.cores,
    }
    machines = {name: max(1, math.ceil(value)) for name, value in wanted.items()}
    shards = max(machines["memory"], machines["deadline"])
    return Plan(
        scanned=outfits * of.scanned,
        told=outfits * of.told,
        machines=machines,
        bottleneck=max(wanted, key=wanted.__getitem__),
        shards=shards,
        service=load.questions / TOGETHER * shards * of.way_a_shard,
        dollars=max(machines.values()) * machine.dollars * HOURS,
    )


def grown(points: Sequence[tuple[int, float]], size: float) -> float:
    """Seconds at a size, along the line of log seconds over log size through the two largest sizes measured."""
    (small, short), (large, long) = sorted(points)[-2:]
    power = math.log(long / short) / math.log(large / small)
    return long * (size / large) ** power


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the plan of a pool, of a catalogue and of a crowd."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outfits", type=float, default=1e9)
    parser.add_argument("--items", type=float, default=1e7, help="in all, a third of each type")
    parser.add_argument("--users", type=float, default=1e8)
    parser.add_argument("--questions", type=float, default=Load().questions, help="a second")
    parser.add_argument("--deadline", type=float, default=Load().deadline, help="seconds")
    parser.add_argument("--cores", type=int, default=Machine().cores)
    parser.add_argument("--gib", type=float, default=Machine().gib)
    parser.add_argument(
        "--bandwidth", type=float, default=Machine().bandwidth, help="GB a second of a machine's memory"
    )
    parser.add_argument("--dollars", type=float, default=Machine().dollars, help="of a machine an hour")
    options = parser.parse_args(argv)
    if min(vars(options).values()) <= 0:
        parser.error("every number must be above 0")
    of = constants(results.read("plan")["figures"])
    machine = Machine(options.cores, options.gib, options.bandwidth, options.dollars)
    pool = plan(of, options.outfits, machine, Load(options.questions, options.deadline))
    print(f"{options.outfits:,.0f} outfits: {pool.scanned / 1e9:,.1f} GB scanned, {pool.told / 1e9:,.1f} GB told")
    print(
        f"  machines: {dict(pool.machines)}, most for the {pool.bottleneck}; {pool.shards} shards; "
        f"{pool.service:.1f} cores of the service; {pool.dollars:,.0f} dollars a month"
    )
    a_type = options.items / 3
    print(f"{options.items:,.0f} items: {options.items * (of.item + of.partners) / 1e9:,.1f} GB with partner lists")
    print(f"  composed in {grown(of.composition, a_type):,.2f} s, lists in {grown(of.lists, a_type) / 3600:,.1f} h")
    everybody = options.users * options.outfits * of.bulk
    print(f"{options.users:,.0f} users: {options.users * of.user / 1e9:,.1f} GB; the best outfits of everybody:")
    print(
        f"  {everybody / 3600:,.0f} hours of a core, {everybody / 3600 / machine.cores * machine.dollars:,.0f} dollars"
    )


if __name__ == "__main__":
    main()
