"""The schema of the examples: the project's own, or the user's."""

import re
from importlib import resources
from pathlib import Path

from pipeline.config.values import ConfigError, read_text
from trainer.common.text import first_line
from trainer.examples import SOURCE

OF_SOURCES = "schema_of_sources.pbtxt"


def read_schema(file: str | None, *, paired: bool = False) -> str:
    """Reads `validation.schema_file`.

    Args:
        file: the schema; without one, it is schema.pbtxt beside this module.
        paired: whether the examples have sources (data.source). A file need not describe them.

    Returns:
        The schema as text of the protocol buffer.

    Raises:
        ConfigError: the file cannot be read, or is not a schema.
    """
    if file is None:
        return _own("schema.pbtxt") + (_own(OF_SOURCES) if paired else "")
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    text = read_text(Path(file))
    try:
        schema = text_format.Parse(text, Schema())
    except text_format.ParseError as error:
        raise ConfigError(
            f"validation.schema_file: {file} is not a schema: {first_line(error)}"
        ) from None
    if paired and SOURCE not in (feature.name for feature in schema.feature):
        return f"{text}\n{_own(OF_SOURCES)}"
    return text


def min_images() -> int:
    """The number of images that the project's own schema requires in each split."""
    return int(re.search(r"min_examples_count: (\d+)", _own("schema.pbtxt"))[1])


def _own(name: str) -> str:
    return (resources.files("pipeline") / name).read_text("utf-8")
