"""Reads and writes YAML 1.2, with limits that make any text harmless.

PyYAML alone reads YAML 1.1, where `on` is true and `010` is 8, keeps the last of duplicate keys,
and lets a few lines of aliases stand for millions of values: here they are errors.
"""

import re
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel
from yaml.constructor import BaseConstructor, SafeConstructor

from trainer.common.text import shorten

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 20  # of values in values
MAX_VALUES = 20_000  # keys included
WIDTH = 100  # characters of a line with a comment

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
# The core schema of YAML 1.2.2: the tag of a plain scalar is that of the first pattern that fits.
_CORE_SCHEMA = {
    "null": re.compile(r"null|Null|NULL|~|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": _INT,
    "float": _FLOAT,
}


class YamlError(ValueError):
    """A text that is not YAML, or is beyond the limits.

    Attributes:
        line: where it is wrong, from 1.
    """

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.line = line


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar = {}
    yaml_constructors: ClassVar = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """Keeps the limits while nodes are read: what is beyond them is never built."""
        line = self.peek_event().start_mark.line + 1
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH:
            raise YamlError(f"nested deeper than {MAX_DEPTH} levels", line)
        if self._count > MAX_VALUES:
            raise YamlError(f"more than {MAX_VALUES:,} values", line)
        if self.check_event(yaml.AliasEvent):
            raise YamlError("an alias (*) is not read: write the value out, or in quotes", line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Rejects duplicate keys; YAML 1.2 has no merge keys (<<)."""
        lines: dict[Any, int] = {}
        # Of a node with a tag that does not fit, the base class says so.
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlError("a key must be a single value", line)
            key = self.construct_object(key_node)
            if isinstance(key, (dict, list)):  # by a tag
                raise YamlError("a key must be a single value", line)
            if key in lines:
                raise YamlError(
                    f"the key {shorten(str(key))} is already on line {lines[key]}; keep one", line
                )
            lines[key] = line
        return BaseConstructor.construct_mapping(self, node, deep)


def _integer(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _scalar(convert: Callable[[str], Any]) -> Callable[[_Loader, yaml.ScalarNode], Any]:
    def construct(loader: _Loader, node: yaml.ScalarNode) -> Any:
        try:
            return convert(loader.construct_scalar(node))
        except (ValueError, KeyError):
            name = node.tag.removeprefix(_TAG)
            line = node.start_mark.line + 1
            raise YamlError(f"{shorten(repr(node.value))} is not a valid {name}", line) from None

    return construct


_CONSTRUCTORS = {
    "null": _scalar(lambda text: None),
    "bool": _scalar(lambda text: {"true": True, "false": False}[text.lower()]),
    "int": _scalar(_integer),
    "float": _scalar(_float),
    "str": SafeConstructor.construct_yaml_str,
    "seq": SafeConstructor.construct_yaml_seq,
    "map": SafeConstructor.construct_yaml_map,
}


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or YAML 1.2 would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _name, _pattern in _CORE_SCHEMA.items():
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Loader.add_implicit_resolver(_TAG + _name, _whole, None)
    _Dumper.add_implicit_resolver(_TAG + _name, _whole, None)
for _name, _constructor in _CONSTRUCTORS.items():
    _Loader.add_constructor(_TAG + _name, _constructor)
_Loader.add_constructor(None, SafeConstructor.construct_undefined)


def parse(text: str) -> Any:
    """Reads one document of YAML 1.2 (core schema).

    Returns:
        Mappings, lists, strings, numbers, booleans, None.

    Raises:
        YamlError: it is not YAML, has a key twice, or exceeds a limit (MAX_CHARACTERS, MAX_DEPTH,
            MAX_VALUES); a message of one line.
    """
    if len(text) > MAX_CHARACTERS:
        raise YamlError(f"more than {MAX_CHARACTERS:,} characters")
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(filter(None, (error.context, error.problem)))
        raise YamlError(f"not YAML: {shorten(problem, 200)}", mark.line + 1) from None
    except yaml.YAMLError as error:
        raise YamlError(f"not YAML: {' '.join(str(error).split())}") from None


def quote(text: str) -> str:
    """Returns text in quotes, so that YAML reads it as it is."""
    return yaml.dump(text, Dumper=_Dumper, default_style='"', width=float("inf")).strip()


def dump(options: BaseModel, keys: Collection[str] | None = None) -> str:
    """Returns options as YAML, one key per line below a comment with its description.

    Args:
        options: a section, or all of them.
        keys: what is written, with dots, such as data.resolution; None for all keys.

    Of options in a mapping (`thresholds`), only the keys that are set are written: the others may
    have another default there.
    """
    return "".join(f"{line}\n" for line in _lines(options, "", keys))


def _lines(options: BaseModel, indent: str, keys: Collection[str] | None) -> Iterator[str]:
    plain = options.model_dump(mode="json")
    for name, field in type(options).model_fields.items():
        below = None
        if keys is not None and name not in keys:
            below = {key.partition(".")[2] for key in keys if key.startswith(f"{name}.")}
            if not below:
                continue
        value = getattr(options, name)
        comment = textwrap.wrap(field.description or "", WIDTH - len(indent) - len("# "))
        yield from (f"{indent}# {line}" for line in comment)
        if isinstance(value, BaseModel):
            yield f"{indent}{_flow(name)}:"
            yield from _lines(value, f"{indent}  ", below)
        elif isinstance(value, Mapping) and value:
            yield f"{indent}{_flow(name)}:"
            for key, entry in value.items():
                if isinstance(entry, BaseModel):
                    entry = entry.model_dump(mode="json", exclude_unset=True)
                else:
                    entry = plain[name][key]
                yield f"{indent}  {_flow(key)}: {_flow(entry)}"
        else:
            yield f"{indent}{_flow(name)}: {_flow(plain[name])}"


def _flow(value: Any) -> str:
    """One line of YAML; what would break it is escaped."""
    for as_it_is in (True, False):
        dumped = yaml.dump(
            [value],
            Dumper=_Dumper,
            default_flow_style=True,
            width=float("inf"),
            allow_unicode=as_it_is,
            sort_keys=False,
        ).strip()
        if dumped.isprintable():
            break
    return dumped[1:-1]
