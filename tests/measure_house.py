"""Measures how the package is laid out: python -m tests.measure_house [NAME=]PATH ... (a clone; this one by default).

Prints one column for each clone: what one sees when the package is opened, the graph of its imports, the sizes of
rooms, files and functions. Only `ast` is used; nothing is imported. docs/architecture.md keeps the table.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "fashion_hash"
DOOR = "__init__"  # the package itself: it imports the public names, and is seen beside the rooms
LEARNING, ANSWERING = ("training", "features", "models"), ("retrieval", "live")
Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Module:
    """A file of the package: its dotted name without the package's, its length in lines, and its tree."""

    name: str
    lines: int
    tree: ast.Module


def read_package(clone: Path) -> dict[str, Module]:
    """Every module by name; packages go by the name of their folder."""
    root = clone / PACKAGE
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or DOOR
        text = path.read_text(encoding="utf-8")
        modules[name] = Module(name, len(text.splitlines()), ast.parse(text))
    return modules


def imports(modules: Mapping[str, Module]) -> dict[str, set[str]]:
    """Which modules each module imports, those inside functions and for type checkers included."""
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for name in graph:
        for node in ast.walk(modules[name].tree):
            for target in _targets(node):
                while target and target not in modules:
                    target = target.rpartition(".")[0]
                if target and target != name:
                    graph[name].add(target)
    return graph


def _targets(node: ast.AST) -> Iterator[str]:
    prefix = f"{PACKAGE}."
    if isinstance(node, ast.Import):
        yield from (alias.name.removeprefix(prefix) for alias in node.names if alias.name.startswith(prefix))
    elif isinstance(node, ast.ImportFrom) and node.module and (node.module + ".").startswith(prefix):
        module = node.module[len(prefix) :]
        yield from (f"{module}.{alias.name}".lstrip(".") for alias in node.names)


def between(graph: Graph, room: str = "") -> dict[str, set[str]]:
    """The graph between what one sees in a folder: its files, and its folders as one thing each."""
    prefix = f"{room}." if room else ""

    def seen(name: str) -> str:
        return name[len(prefix) :].partition(".")[0] if name.startswith(prefix) else ""

    arrows: dict[str, set[str]] = defaultdict(set)
    for name, targets in graph.items():
        if seen(name):
            arrows[seen(name)] |= {seen(target) for target in targets} - {"", seen(name)}
    return dict(arrows)


def circles(graph: Graph) -> list[list[str]]:
    """The groups of two or more that import each other (strongly connected, by Tarjan)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for target in sorted(graph.get(name, ())):
            if target not in number:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], number[target])
        if low[name] == number[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(graph):
        if name not in number:
            visit(name)
    return found


def floors(graph: Graph) -> int:
    """How many floors the graph has: the longest chain of imports, each circle taken as one thing."""
    group = {name: min(circle) for circle in circles(graph) for name in circle}
    height: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in height:
            members = [other for other in graph if group.get(other, other) == name]
            below = {group.get(target, target) for member in members for target in graph[member]} - {name}
            height[name] = 1 + max((floor(other) for other in below), default=0)
        return height[name]

    return max(floor(group.get(name, name)) for name in graph)


@dataclass(frozen=True)
class Function:
    """A function or method: where it stands, its length in lines, and how many arguments it takes, self apart."""

    name: str
    lines: int
    arguments: int


def functions(modules: Iterable[Module]) -> list[Function]:
    """Every function of the modules, nested ones included."""
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = node.args
                names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                arguments = len([name for name in names if name not in ("self", "cls")])
                found.append(Function(f"{module.name}.{node.name}", lines, arguments))
    return found


def rooms(clone: Path) -> dict[str, int]:
    """How many modules lie directly in each folder of the package, `__init__` apart."""
    root = clone / PACKAGE
    folders = [root, *(path for path in root.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    counts = {
        folder.relative_to(clone).as_posix(): sum(path.name != "__init__.py" for path in folder.glob("*.py"))
        for folder in folders
    }
    return {room: count for room, count in counts.items() if count}


def measure(clone: Path) -> dict[str, str]:
    """The figures of one clone, by what they say."""
    root, modules = clone / PACKAGE, read_package(clone)
    if not modules:
        raise SystemExit(f"{clone} does not hold {PACKAGE}/: give the folder of a clone")
    graph = imports(modules)
    found, lengths, sizes = functions(modules.values()), [module.lines for module in modules.values()], rooms(clone)
    files = len(list(root.glob("*.py")))
    folders = len({name.partition(".")[0] for name in modules} - {path.stem for path in root.glob("*.py")})
    longest_file = max(modules.values(), key=lambda module: module.lines)
    longest = max(found, key=lambda function: function.lines)
    widest = max(found, key=lambda function: function.arguments)
    fullest = max(sizes, key=lambda room: sizes[room])
    outer = between(graph)
    climbs = sum(
        target.partition(".")[0] in ANSWERING
        for name, targets in graph.items()
        if name.partition(".")[0] in LEARNING
        for target in targets
    )
    return {
        "things directly in the package (files + folders)": f"{files} + {folders}",
        "modules": str(len(modules)),
        "lines": f"{sum(lengths):,}",
        "floors of the import graph": str(floors(outer)),
        "arrows between them": str(sum(map(len, outer.values()))),
        "circles of files": _circles(circles(graph)),
        "retrieval/: files in the folder itself": str(sizes.get(f"{PACKAGE}/retrieval", 0)),
        "retrieval/: arrows between what one sees": str(sum(map(len, between(graph, "retrieval").values()))),
        "data/: files in the folder itself": str(sizes.get(f"{PACKAGE}/data", 0)),
        "most files in one room": f"{sizes[fullest]} ({fullest.removeprefix(PACKAGE + '/')})",
        "the learning half imports the answering half": {0: "never", 1: "once"}.get(climbs, f"{climbs} times"),
        "median file, lines": f"{statistics.median(lengths):g}",
        "longest file, lines": f"{longest_file.lines} ({longest_file.name})",
        "median function, lines": f"{statistics.median(function.lines for function in found):g}",
        "longest function, lines": f"{longest.lines} ({longest.name})",
        "functions over 60 lines": str(sum(function.lines > 60 for function in found)),
        "most parameters of a function, self apart": f"{widest.arguments} ({widest.name})",
        "functions of more than 6 parameters": str(sum(function.arguments > 6 for function in found)),
    }


def _circles(groups: list[list[str]]) -> str:
    return "0" if not groups else f"{len(groups)} (" + "; ".join(f"{len(group)} files" for group in groups) + ")"


def main(arguments: list[str]) -> int:
    """Prints the table as Markdown."""
    clones = [argument.rpartition("=") for argument in arguments or [str(Path(__file__).resolve().parent.parent)]]
    measured = {name or Path(path).resolve().name: measure(Path(path)) for name, _, path in clones}
    print("| | " + " | ".join(measured) + " |\n|---|" + "--:|" * len(measured))
    for row in next(iter(measured.values())):
        print(f"| {row} | " + " | ".join(figures[row] for figures in measured.values()) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
