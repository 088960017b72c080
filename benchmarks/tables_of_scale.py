"""The tables of docs/scale.md: results/plan.json through scale_plan.py, results/ddp.json and results/scale.json."""

from __future__ import annotations

from scale_plan import Load, Machine, constants, grown, plan
from tables import figures, share, table

POOLS = (1e6, 1e8, 1e9, 1e10)
CATALOGUES = (3e4, 3e5, 1e7)
CROWDS = (1e6, 1e8)
LISTED = 1e6  # outfits, of which everybody's best are looked for


def processes() -> str:
    """One training by one process and by two."""
    of = figures("ddp")
    killed, same = of["killed"], "the same bits" if of["killed"]["same_bits"] else "other bits"
    lines = [
        (
            f"{name} an epoch, loss of the last, test AUC",
            f"{of[key]['seconds']:.2f} s, {of[key]['losses'][-1]:.6f}, {share(of[key]['test_auc'])}",
        )
        for name, key in (("one process:", "one"), ("two processes:", "two"))
    ]
    lines += [
        ("losses of one and of two differ at most by", f"{of['largest_difference']:.1e}"),
        ("of what two could reach", f"{of['efficiency']:.0%}"),
        (f"one killed after epoch {killed['epochs_before']} and started again", same),
    ]
    return table((f"{of['config']}, batches of {of['batch']:,}", ""), lines, right=1)


def large_pool() -> str:
    """A pool larger than memory, indexed and searched."""
    of = figures("large_pool")
    lines = [
        ("index", f"{of['index_gb']:.1f} GB"),
        (
            "building it",
            f"{of['build_seconds'] / 60:.0f} minutes, {of['build_processor_seconds']:.0f} s of the processor",
        ),
        ("in memory while it is built", f"{of['build_resident_gb']:.2f} GB"),
        ("in memory while it is searched", f"{of['search_resident_gb']:.1f} GB"),
        ("first answer, with the check of all rows", f"{of['seconds_to_first_answer']:.1f} s"),
        ("a user alone", f"{of['seconds_warm']:.2f} s"),
        (
            f"reading the {of['scan_gb']:.1f} GB of the scan from memory, {of['memory_gb_a_second']:.0f} GB a second",
            f"{of['seconds_warm_by_memory']:.2f} s",
        ),
        ("a user alone, files in no cache", f"{of['seconds_cold']:.1f} s"),
        (
            f"reading them from the disk, {of['disk_gb_a_second']:.1f} GB a second",
            f"{of['seconds_cold_by_disk']:.1f} s",
        ),
        (f"a user among {of['batch']}", f"{of['milliseconds_a_user_in_a_batch']:.0f} ms"),
    ]
    return table((f"{of['options']['outfits']:,} outfits", ""), lines, right=1)


def fan_out() -> str:
    """A pool searched by one process and by a cluster on the same machine, and a node killed meanwhile."""
    of = figures("scale")
    one, many, killed = of["one process"], of["cluster"], of["killed"]
    lines = [
        (what, *(f"{each[key]:,.{digits}f}" for each in (one, many)))
        for what, key, digits in (
            ("a user alone, ms: median", "milliseconds_median", 1),
            ("p99", "milliseconds_p99", 1),
            ("users a second, one after another", "a_second_alone", 0),
            ("by four threads", "a_second_by_threads", 0),
            ("in batches of 64", "a_second_in_batches", 0),
        )
    ]
    lines += [
        ("seconds to the first answer", "", f"{of['seconds_to_first_answer']:.1f}"),
        (
            f"a node killed during {killed['asked']:,} questions: wrong, lost",
            "",
            f"{killed['wrong']}, {killed['lost']}",
        ),
        ("seconds of the longest question", "", f"{killed['longest_seconds']:.1f}"),
        (
            "questions ten times as slow as usual; seconds from the kill to the last of them",
            "",
            f"{killed['slow_questions']}; {killed['seconds_until_usual']:.0f}",
        ),
    ]
    return table(("", "one process", "cluster"), lines, right=2)


def measured_constants() -> str:
    """What the plan computes with."""
    of = figures("plan")
    size, way, memory, disk = of["bytes"], of["cluster"], of["memory_gb_a_second"], of["disk"]
    one, every = of["scan"], of["scan_on_all_cores"]
    whole = f"{of['options']['outfits']:,} outfits in {way['shards']} shards"
    lines = [
        ("an outfit, as shards scan it", f"{size['outfit_scanned']:.0f} bytes"),
        ("an outfit, as the service reads it: id, items, exact terms", f"{size['outfit_told']:.0f} bytes"),
        ("an item; its partner lists", f"{size['item']:.0f}; {size['item_partners']:,.0f} bytes"),
        ("a user with eight likes", f"{size['user']:.0f} bytes"),
        *(
            (f"a core scans an outfit for {whom}; while all cores scan", f"{one[key]:.2f}; {every[key]:.2f} ns")
            for key, whom in (
                ("alone", "a user alone"),
                ("batch_16", "a user among 16"),
                ("batch_64", "a user among 64"),
            )
        ),
        ("each shard adds to the way of a question", f"{way['way_a_shard']:.1f} ms"),
        ("one core reads from memory; both", f"{memory['one']:.0f}; {memory['all']:.0f} GB a second"),
        (
            "read from the disk; written",
            f"{disk['read_gb_a_second']:.1f}; {disk['written_gb_a_second']:.1f} GB a second",
        ),
        (
            f"{whole}: a question, as planned; as measured",
            f"{way['predicted_milliseconds']:.1f}; {way['whole_milliseconds']:.1f} ms",
        ),
    ]
    return table(("", "measured"), lines, right=1)


def plan_of_pools() -> str:
    """Machines and money by the size of a pool."""
    of, lines = constants(figures("plan")), []
    for outfits in POOLS:
        pool = plan(of, outfits, Machine(), Load())
        lines.append(
            (
                f"{outfits:,.0f}",
                _gigabytes(pool.scanned),
                _gigabytes(pool.told),
                *(f"{pool.machines[name]:,}" for name in ("memory", "deadline", "questions")),
                f"{pool.shards:,}",
                f"{pool.service:,.1f}",
                f"{pool.dollars:,.0f} $",
            )
        )
    needs = ("machines for the memory", "for the deadline", "for the questions")
    head = ("outfits", "scanned", "in the service", *needs, "shards", "cores of the service", "a month")
    return table(head, lines, right=8)


def plan_of_items() -> str:
    """What composition takes by the size of a catalogue."""
    of, lines = constants(figures("plan")), []
    for items in CATALOGUES:
        seconds, lists = grown(of.composition, items / 3), grown(of.lists, items / 3)
        size = items * (of.item + of.partners)
        lines.append((f"{items:,.0f}", f"{(items / 3) ** 3:.0e}", _gigabytes(size), _time(seconds), _time(lists)))
    return table(("items", "outfits", "with partner lists", "an answer", "building the lists"), lines, right=4)


def plan_of_users() -> str:
    """What a crowd takes."""
    of, lines = constants(figures("plan")), []
    for users in CROWDS:
        hours = users * LISTED * of.bulk / 3600
        table_of_floats = users * 128 * 4 * 3  # a float and two of Adam for each bit
        money = hours / Machine().cores * Machine().dollars
        lines.append(
            (
                f"{users:,.0f}",
                _gigabytes(users * of.user),
                _gigabytes(table_of_floats),
                f"{hours:,.1f}",
                f"{money:,.2f} $",
            )
        )
    head = ("users", "in a bundle", "while training", "hours of a core for everybody's best outfits", "which cost")
    return table(head, lines, right=4)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:,.2f} GB" if count < 1e10 else f"{count / 1e9:,.0f} GB"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1e3 * seconds:.0f} ms"
    return f"{seconds:,.0f} s" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"


SCALE = {
    "processes": processes,
    "large-pool": large_pool,
    "fan-out": fan_out,
    "measured-constants": measured_constants,
    "plan-of-pools": plan_of_pools,
    "plan-of-items": plan_of_items,
    "plan-of-users": plan_of_users,
}
