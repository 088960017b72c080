"""YAML as plain values: text, numbers, booleans, lists and mappings with distinct text keys; small and shallow.

YAML can do far more than a configuration needs: dates, sets, sections that refer to each other and grow without
bound. All of that is refused here, before anything is built, so that a wrong file ends in a short message at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from fashion_hash.errors import ConfigError

MOST_CHARACTERS = 100_000
MOST_VALUES = 5_000  # aliases count as often as they occur
MOST_LEVELS = 20
MOST_DIGITS = 100  # of a number

_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")}
_OTHER_BASE = re.compile(r"[-+]?(0[0-9_]+$|[0-9_]+:)")  # 012 would be 10, 1:30 would be 90
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, with numbers such as 1e-3 (text in YAML 1.1) and without dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (pyyaml's own table, which knows dates)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    # the scanner takes quadratic time on deep nesting, so it has to stop before the nodes are counted
    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        self._check_depth(self.flow_level)
        super().fetch_flow_collection_start(token)

    def add_indent(self, column: int) -> bool:
        self._check_depth(len(self.indents))
        return bool(super().add_indent(column))

    def _check_depth(self, level: int) -> None:
        if level > 2 * MOST_LEVELS:
            problem = f"nested more than {MOST_LEVELS} levels deep"
            raise yaml.scanner.ScannerError(None, None, problem, self.get_mark())


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str, source: str) -> Any:
    """The plain value that a YAML text describes.

    Args:
        text: the text.
        source: where it comes from, for messages.

    Raises:
        ConfigError: the text is not valid YAML, is too large or too deeply nested, gives a key twice, or holds
            something that no configuration needs (dates, sets, tags); the message names source and line.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"{source} has {len(text):,} characters; a configuration has at most {MOST_CHARACTERS:,}")
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _Check(source).node(root, 1)
        return loader.construct_document(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{source}{line}: not valid YAML: {_short(getattr(error, 'problem', error))}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested more than {MOST_LEVELS} levels deep") from None
    except (ValueError, TypeError, OverflowError, AttributeError) as error:  # !!int x, 0x_ and the like
        raise ConfigError(f"{source}: not valid YAML: {_short(error)}") from None
    finally:
        if loader is not None:
            loader.dispose()


def line_of(text: str, keys: Sequence[str | int]) -> int | None:
    """The line of a value in a YAML text that `parse_yaml` has read; that of the last key that exists.

    Args:
        text: the text.
        keys: keys and places in lists that lead to the value.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    line: int | None = None
    for key in keys:
        entries: list[tuple[object, yaml.Node, yaml.Node]] = []
        if isinstance(node, yaml.MappingNode):
            entries = [(name.value, name, value) for name, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            entries = [(place, value, value) for place, value in enumerate(node.value)]
        reached = next(((first, value) for name, first, value in entries if str(name) == str(key)), None)
        if reached is None:
            break
        line, node = reached[0].start_mark.line + 1, reached[1]
    return line


class _Check:
    """Walks the nodes of a document as it will be built, and stops at the first that does not belong there."""

    def __init__(self, source: str) -> None:
        self.source, self.values = source, 0

    def node(self, node: yaml.Node, level: int) -> None:
        self.values += 1
        if self.values > MOST_VALUES:
            raise self.error(node, f"more than {MOST_VALUES:,} values")
        if level > MOST_LEVELS:
            raise self.error(node, f"nested more than {MOST_LEVELS} levels deep")
        if node.tag not in _TAGS:
            kind = _short(str(node.tag).removeprefix("tag:yaml.org,2002:"))
            raise self.error(node, f"a value of the type {kind}: use text, numbers, true, false, lists and sections")
        if node.tag in _NUMBERS and len(str(node.value)) > MOST_DIGITS:
            raise self.error(node, f"a number of {len(node.value):,} characters")
        if node.tag in _NUMBERS and _OTHER_BASE.match(str(node.value)):
            message = (
                f"{node.value} is a number to the base 8 or 60 in YAML: leave out the zeros or colons, or quote it"
            )
            raise self.error(node, message)
        if isinstance(node, yaml.SequenceNode):
            for value in node.value:
                self.node(value, level + 1)
        elif isinstance(node, yaml.MappingNode):
            self.keys(node)
            for key, value in node.value:
                self.node(key, level + 1)
                self.node(value, level + 1)

    def keys(self, node: yaml.MappingNode) -> None:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(key, "a list or a section is used as a key: keys are words")
            if key.value in seen:
                raise self.error(key, f"key {_short(key.value)!r} is given twice")
            seen.add(key.value)

    def error(self, node: yaml.Node, problem: str) -> ConfigError:
        return ConfigError(f"{self.source}:{node.start_mark.line + 1}: {problem}")


def _short(text: object) -> str:
    words = str(text)
    return words if len(words) <= 200 else f"{words[:200]}..."
