"""YAML as people write it, read within bounds: plain values only, and no text that grows without end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from clip_emotion.errors import UsageError

LONGEST = 8_000_000
"""Characters of a document."""
MOST_NODES = 200_000
"""Values of a document, where each use of an alias counts with all that it stands for."""
DEEPEST = 200
"""Lists and mappings within each other."""


if TYPE_CHECKING:
    from yaml import SafeLoader
else:  # libyaml's parser, where PyYAML has it, is ten times as fast: a command that reads a vocabulary notices
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(SafeLoader):
    """Reads true and false as booleans, as YAML 1.2 does; ``yes``, ``no``, ``on`` and ``off`` are words."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def parse_yaml(text: str, source: str) -> Any:
    """Return a document's plain values; ``source`` names it in errors.

    Raises UsageError for what is not YAML, is nested too deeply, or stands for too much through aliases.
    """
    if len(text) > LONGEST:
        raise UsageError(f"{source} holds {len(text):,} characters: a YAML file here has {LONGEST:,} at most.")
    try:
        _check_depth(text, source)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MOST_NODES:
            raise UsageError(f"{source} stands for more than {MOST_NODES:,} values: write it without so many aliases.")
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise UsageError(f"{source} is not valid YAML: {' '.join(str(error).split())}.") from error
    except RecursionError as error:  # through aliases
        raise UsageError(f"{source} is nested too deeply.") from error
    except ValueError as error:  # a date that no calendar has, a number of thousands of digits
        raise UsageError(f"{source} holds a value that cannot be read: {error}.") from error


def _check_depth(text: str, source: str) -> None:
    # The parser of events keeps its own stack; what makes nodes of them recurses, and libyaml's would end the process.
    depth = 0
    for event in yaml.parse(text, Loader=SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise UsageError(f"{source} is nested too deeply.")


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node stands for, aliases counted each time; a loop counts as too many."""
    if isinstance(node, yaml.ScalarNode):
        if not node.value.isascii():
            node.value.encode()  # half a character, which libyaml refuses itself, is a ValueError here
        return 1
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MOST_NODES + 1
    children = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
    known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]
