"""The error tree: one root, every class in the module's drawing, messages that stay short."""

import ast
import inspect
import re

import numpy as np
import pytest

from fashion_hash import errors
from fashion_hash.errors import DataError, FashionHashError, QueryError, counted, naming, shown, suggest
from tests.paths import PROJECT

CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
ERRORS = {name: value for name, value in CLASSES.items() if value.__module__ == errors.__name__}


def is_error(name: str) -> bool:
    return name.endswith(("Error", "Exception", "Interrupt", "Exit", "Warning"))


def test_every_error_class_of_the_package_is_in_the_tree() -> None:
    for path in (PROJECT / "fashion_hash").rglob("*.py"):
        if path.parent.name == "http":
            continue  # replies of the service, which never leave its routes
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name.startswith("_"):
                continue  # a signal between two functions of a file, which never leaves it
            if isinstance(node, ast.ClassDef) and any(is_error(ast.unparse(base)) for base in node.bases):
                assert path.name == "errors.py", f"{path} defines the error {node.name}: errors.py holds the tree"
                assert issubclass(ERRORS[node.name], FashionHashError)


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_documented_and_drawn(name: str) -> None:
    error = ERRORS[name]
    assert error.__doc__
    if error is FashionHashError:
        return
    assert error.__bases__[0] is FashionHashError, "the tree is one level deep"
    [builtin] = error.__bases__[1:]
    drawn = re.search(rf"[├└]── {name} +\((\w+)\) +\S+", errors.__doc__ or "")
    assert drawn, f"the drawing in errors.py lacks {name}"
    assert drawn[1] == builtin.__name__


def test_the_drawing_holds_nothing_else() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted([*drawn, "FashionHashError"]) == sorted(ERRORS)


@pytest.mark.parametrize("name", ERRORS)
def test_a_message_has_an_end(name: str) -> None:
    error = ERRORS[name]("beginning " + "x" * 10**6 + " what to do")
    assert len(str(error)) < 2000
    assert str(error).startswith("beginning xxx")
    assert str(error).endswith("xxx what to do")
    assert str(ERRORS[name]("short")) == "short"


def test_data_errors_name_file_and_line() -> None:
    assert str(DataError.at("items.csv", 3, "no price")) == "items.csv:3: no price"


def test_an_error_of_the_system_gets_its_path() -> None:
    with pytest.raises(FileNotFoundError) as raised, naming("page.html"):
        raise OSError(2, "No such file or directory")
    assert raised.value.filename == "page.html"


class Silent:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("red", "'red'"),
        (3, "3"),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        ({"a": 1}, "{'a': 1}"),
        (10**400, "a whole number of 1,329 bits"),
        (10**5000, "a whole number of 16,610 bits"),
        ("\x1b\n", r"'\x1b\n'"),
        (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_in_messages(value: object, expected: str) -> None:
    assert shown(value) == expected


def endless() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


def deep(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    ["a" * 10**6, b"a" * 10**6, ["a" * 1000] * 1000, {"a" * 1000: 1}, Silent(), endless(), deep(5000), range(10**9)],
    ids=lambda value: type(value).__name__,
)
def test_enormous_values_are_short(value: object) -> None:
    assert 0 < len(shown(value)) <= 80


def test_suggestions() -> None:
    assert suggest("usr-1", ["user-1", "other"]) == " (nearest: 'user-1')"
    assert suggest("qwertz", ["user-1"]) == ""
    assert suggest("user-77", (f"user-{number}" for number in range(10**4))).startswith(" (nearest: 'user-77'")
    assert suggest("a" * 10**6, ["a"] * 10**4) == ""
    assert suggest("user-1", ["u" * 10**6, "user-2"]) == " (nearest: 'user-2')"


def test_numbers_and_nouns_agree() -> None:
    assert [counted(number, "user") for number in (0, 1, 2000)] == ["0 users", "1 user", "2,000 users"]
    assert [counted(number, "is", "are") for number in (1, 2)] == ["1 is", "2 are"]


COUNTED_BY_HAND = re.compile(
    r"\{[^{}]*(len\(|:,|sum\(|count)[^{}]*\} (\w+ )?(users|items|outfits|files|rows|vectors|pictures|likes|dislikes)\b"
)
ALWAYS_MANY = ("with items", "SCAN_FROM", "none of the", "the {len(items)", "the {len(self.items)", "num_items")


def test_nothing_that_is_counted_can_read_1_users() -> None:
    package = PROJECT / "fashion_hash"
    lines = [
        f"{path.relative_to(package)}: {line.strip()}"
        for room in ("commands", "data", "training", "retrieval")
        for path in sorted((package / room).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if COUNTED_BY_HAND.search(line) and "counted(" not in line and not any(word in line for word in ALWAYS_MANY)
    ]
    assert lines == [], "use errors.counted"


def test_errors_are_values_too() -> None:
    with pytest.raises(ValueError, match="k"):
        raise QueryError("k")
