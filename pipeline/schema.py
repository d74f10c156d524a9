"""The schema of the examples: the project's own, or the user's."""

from importlib import resources
from pathlib import Path

from pipeline.config_values import ConfigError, read_text
from trainer.common.text import first_line


def read_schema(file: str | None) -> str:
    """Reads `validation.schema_file`.

    Returns:
        The schema as text of the protocol buffer; without a file, schema.pbtxt beside this module.

    Raises:
        ConfigError: the file cannot be read, or is not a schema.
    """
    if file is None:
        return (resources.files("pipeline") / "schema.pbtxt").read_text("utf-8")
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    text = read_text(Path(file))
    try:
        text_format.Parse(text, Schema())
    except text_format.ParseError as error:
        raise ConfigError(
            f"validation.schema_file: {file} is not a schema: {first_line(error)}"
        ) from None
    return text
