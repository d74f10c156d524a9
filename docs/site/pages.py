"""Makes the pages of the site that come from elsewhere; mkdocs-gen-files runs it.

The documents outside docs/ become pages, other files that a page links to are copied beside them,
and the reference of the configuration is written from its JSON schema.
"""

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mkdocs_gen_files

from pipeline.config.pipeline_config import PipelineConfig

ROOT = Path(__file__).parents[2]
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "kubeflow/README.md": "kubeflow_setup.md",
}
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def write_pages() -> None:
    """Writes every document of the repository as a page, with its links adjusted."""
    pages = {f"docs/{path}": path for path in _documents()} | OUTSIDE
    for source, page in pages.items():

        def link(match: re.Match[str], source: str = source, page: str = page) -> str:
            target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
            where = pages.get(target) or _copy(target, source)
            here = posixpath.dirname(page)
            return f"]({posixpath.relpath(where, here or '.')}{match[2] or ''})"

        text = (ROOT / source).read_text("utf-8")
        with mkdocs_gen_files.open(page, "w") as file:
            file.write(LINK.sub(link, text))


def _documents() -> Iterator[str]:
    for path in sorted((ROOT / "docs").rglob("*.md")):
        yield path.relative_to(ROOT / "docs").as_posix()


def _copy(target: str, source: str) -> str:
    """Puts a file of the repository on the site, and returns its path there."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")  # mkdocs copies these by itself
    file = ROOT / target
    if not file.is_file():
        raise FileNotFoundError(f"{source} links to {target}, which is no file")
    copy = f"repository/{target}" + ("" if file.suffix else ".txt")
    with mkdocs_gen_files.open(copy, "w") as copied:
        copied.write(file.read_text("utf-8"))
    return copy


def write_configuration() -> None:
    """Writes every key of the configuration with type, default and description."""
    schema = PipelineConfig.model_json_schema()
    with mkdocs_gen_files.open("reference/configuration.md", "w") as page:
        page.write(
            "# Configuration\n\n"
            "Every key, from the schema that `iadb config schema` prints. A configuration is a "
            "preset or a YAML file, then single keys: `--set train.steps=500`.\n"
        )
        for name, section in schema["properties"].items():
            page.write(f"\n## {name}\n\n{_sentence(section.get('description', ''))}\n\n")
            rows = _rows(schema["$defs"], name, section)
            page.write("| key | |\n| --- | --- |\n")
            page.writelines(f"| {' | '.join(map(_cell, row))} |\n" for row in rows)


def _rows(
    definitions: Mapping[str, Any], key: str, schema: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """One row per key below `key`, or for `key` itself where nothing is below it."""
    definition = definitions.get(_reference(schema) or "", {})
    default = schema.get("default")
    if "properties" not in definition:
        kind = _kind(definitions, schema)
        shown = "" if default is None else f", default `{json.dumps(default)}`"
        yield f"`{key}`<br>{kind}{shown}", _sentence(schema.get("description", ""), kind)
        yield from _rows_within(definitions, key, schema)
        return
    for name, property_ in definition["properties"].items():
        if isinstance(default, Mapping) and name in default:
            property_ = {**property_, "default": default[name]}
        yield from _rows(definitions, f"{key}.{name}", property_)


def _rows_within(
    definitions: Mapping[str, Any], key: str, schema: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Rows of the keys of what a value consists of: one of several kinds, a mapping or a list."""
    definition = definitions.get(schema.get("$ref", "").rpartition("/")[2], {})
    for name, property_ in definition.get("properties", {}).items():
        yield from _rows(definitions, f"{key}.{name}", property_)
    for choice in schema.get("anyOf", []):
        yield from _rows_within(definitions, key, choice)
    for part, place in (("additionalProperties", ".NAME"), ("items", "[]")):
        if isinstance(schema.get(part), Mapping):
            yield from _rows_within(definitions, f"{key}{place}", schema[part])


def _reference(schema: Mapping[str, Any]) -> str | None:
    """The name of the only definition that the schema refers to."""
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
    return choices[0].get("$ref", "").rpartition("/")[2] or None if len(choices) == 1 else None


def _kind(definitions: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(definitions, choice) for choice in schema["anyOf"])
    if "$ref" in schema:
        return _kind(definitions, definitions[schema["$ref"].rpartition("/")[2]])
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        items = schema.get("items") or {}
        return f"list of {_kind(definitions, items)}" if items else "list"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"mapping to {_kind(definitions, values)}" if values else "mapping"
    limits = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    bounds = [f"{words} {schema[name]:,}" for name, words in limits.items() if name in schema]
    name = {"null": "none"}.get(schema.get("type", ""), schema.get("type", "any"))
    return f"{name}, {' and '.join(bounds)}" if bounds else name


def _sentence(text: str, kind: str = "") -> str:
    """Begins with a capital, except where the first word is one that a user writes as it is."""
    word = text.partition(" ")[0]
    if f"`{word}`" in kind or re.search("[:,_]", word):
        return text
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


write_pages()
write_configuration()
