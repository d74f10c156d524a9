"""The schema of the examples: the project's own, or the one that a user names."""

from importlib import resources
from pathlib import Path

from pipeline.config import ConfigError


def read_schema(file: str | None) -> str:
    """Reads `validation.schema_file`.

    Returns:
        The schema, as text of the protocol buffer; without a file, schema.pbtxt beside this module.

    Raises:
        ConfigError: the file cannot be read, or holds no schema.
    """
    if file is None:
        return (resources.files("pipeline") / "schema.pbtxt").read_text("utf-8")
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    try:
        text = Path(file).read_text("utf-8")
        text_format.Parse(text, Schema())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"validation.schema_file: {file} cannot be read: {reason}") from None
    except text_format.ParseError as error:
        raise ConfigError(f"validation.schema_file: {file} is no schema: {error}") from None
    return text
