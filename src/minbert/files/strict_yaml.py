"""YAML, read strictly: a key once, plain values as YAML 1.2's core schema means them, nothing that fills memory.

So ``no``, ``on`` and ``2024-01-31`` are texts, ``1e-5`` is a number, and only ``true`` and ``false`` are truth values
(YAML 1.1, which PyYAML reads, differs in all of these). What has leading zeros is a text. Anchors, aliases and merge
keys (``<<``) are read; tags that make other objects are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from minbert.errors import UserError, shown

DEEPEST = 50
"""How many lists and mappings may stand within each other."""
MOST_VALUES = 100_000
"""With every alias written out: a few lines of aliases of aliases can stand for more than any memory holds."""
MOST_DIGITS = 300

_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What only an escape can put into a text: control characters, and halves of surrogate pairs."""

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_PLAIN: dict[str, tuple[str, list[str]]] = {  # what a plain value means, and its first characters
    f"{_TAG}null": (r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    f"{_TAG}bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    f"{_TAG}int": (r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    f"{_TAG}float": (
        r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    _MERGE: (r"<<", ["<"]),
}


class YamlError(ValueError):
    """A text is no YAML that can be used; ``line`` is where, from 1, None where that is not known."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason)
        self.line = line


def read_yaml(path: Path) -> Any:
    """Return the value that a YAML file holds.

    Raises:
        UserError: the file is missing, cannot be read, is not UTF-8, not YAML, or has a key twice.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise UserError(f"{path}, line {line}: is not UTF-8 (byte 0x{byte:02x}). Save the file as UTF-8.") from None
    except YamlError as error:
        where = f"{path}, line {error.line}" if error.line else str(path)
        raise UserError(f"{where}: is not YAML that can be used: {error}.") from None


def parse_yaml(text: str) -> Any:
    """Return the value that a YAML text stands for; None for an empty one.

    Raises:
        YamlError: see ``read_yaml``.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        reason = f"it holds the control character U+{error.character:04X}"
        raise YamlError(reason, text.count("\n", 0, error.position) + 1) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise YamlError(", ".join(filter(None, (error.context, error.problem))), line) from None
    except RecursionError:
        raise YamlError(f"lists and mappings stand more than {DEEPEST} deep in each other", None) from None
    return None if node is None else _Values().of(node)


def read_settings(words: Sequence[str], example: str) -> dict[str, Any]:
    """Return the values of the ``KEY=VALUE`` words of ``--set`` by their keys, in their order.

    Raises:
        UserError: a word has no key or no YAML value, or would drop the value of an earlier one.
    """
    read: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            raise UserError(f"--set {shown(word)}: write KEY=VALUE, for example --set {example}.")
        if key in read:
            raise UserError(f"--set {shown(key)}: is given twice; give it once.")
        if dropped := next((other for other in read if other.startswith(f"{key}.")), None):
            raise UserError(
                f"--set {shown(word)}: would drop what --set {shown(dropped)} says; put it before that one."
            )
        try:
            read[key] = parse_yaml(text)
        except YamlError as error:
            raise UserError(f"--set {shown(word)}: what follows '=' is not a YAML value: {error}.") from None
    return read


def to_yaml(value: Any) -> str:
    """Return a value of mappings, lists, texts, numbers, truth values and None as YAML that reads back to it."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def to_yaml_line(value: Any) -> str:
    """Return such a value as YAML on a single line."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


class _Loader(yaml.SafeLoader):
    """Makes nodes of a text, with the tags of YAML 1.2 on plain values."""


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would read as something else."""


_Loader.yaml_implicit_resolvers = {}  # those of YAML 1.1 do not count
for _tag, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"({_pattern})\Z"), _first)
    _Dumper.add_implicit_resolver(_tag, re.compile(rf"({_pattern})\Z"), _first)


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML breaks lines at these three, and folds them away when it reads.
    return dumper.represent_scalar(f"{_TAG}str", text, style='"' if set(text) & set("\x85\u2028\u2029") else None)


_Dumper.add_representer(str, _text_node)


class _Values:
    """Turns nodes into values, and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, node: yaml.Node, depth: int = 0) -> Any:
        """Return the value of a node that ``depth`` others stand around."""
        self._count += 1
        if depth > DEEPEST:
            raise _fault(node, f"lists and mappings stand more than {DEEPEST} deep in each other")
        if self._count > MOST_VALUES:
            raise _fault(node, f"with its aliases written out it holds more than {MOST_VALUES:,} values")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.of(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, depth)
        raise _unknown_tag(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[Any, Any]:
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        for key_node, value_node in node.value:
            key = "<<" if key_node.tag == _MERGE else _key(key_node)
            # Also as texts, because that is what every key of a recipe is in the end: 1 and '1' are one.
            if (first := lines.get(key, lines.get(str(key)))) is not None:
                raise _fault(key_node, f"the key '{shown(str(key))}' is already on line {first}; keep one of them")
            lines[key] = lines[str(key)] = _line(key_node)
            if key_node.tag == _MERGE:
                merged = dict(self._merged(value_node, depth))
            else:
                own[key] = self.of(value_node, depth + 1)
        return merged | own

    def _merged(self, node: yaml.Node, depth: int) -> Iterator[tuple[Any, Any]]:
        """Yield what a merge key takes over; of several mappings the first comes last, because it counts."""
        value = self.of(node, depth + 1)
        mappings = value if isinstance(value, list) else [value]
        for mapping in reversed(mappings):
            if not isinstance(mapping, dict):
                raise _fault(node, "'<<' takes a mapping, or a list of them")
            yield from mapping.items()


def _key(node: yaml.Node) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        raise _fault(node, "a list or a mapping cannot be a key")
    return _scalar(node)


def _scalar(node: yaml.ScalarNode) -> Any:
    kind, text = node.tag.removeprefix(_TAG), node.value
    if kind in ("int", "float") and len(text) > MOST_DIGITS:
        raise _fault(node, f"a number has more than {MOST_DIGITS} digits")
    if odd := _NO_TEXT.search(text):
        raise _fault(node, f"a text holds the character U+{ord(odd[0]):04X}")
    try:
        match kind:
            case "str" | "merge":
                return text
            case "null":
                return None
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "int":
                if not -(2**63) <= (number := int(text)) < 2**63:
                    raise _fault(node, f"{shown(text)} is beyond 64 bits; put it in quotes if it is a text")
                return number
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except YamlError:
        raise
    except (ValueError, KeyError):
        raise _fault(node, f"'{shown(text)}' is no {kind}") from None
    raise _unknown_tag(node)


def _unknown_tag(node: yaml.Node) -> YamlError:
    return _fault(node, f"the tag {shown(node.tag)} is not known here")


def _fault(node: yaml.Node, reason: str) -> YamlError:
    return YamlError(reason, _line(node))


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line + 1
    return line
