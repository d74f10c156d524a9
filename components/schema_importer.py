"""SchemaImporter: writes the schema that statistics, validation and Transform read."""

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Schema
from tfx.utils import io_utils


@component
def SchemaImporter(
    schema: OutputArtifact[Schema], text: Parameter[str], source_hash: Parameter[str]
) -> None:
    """Writes a schema that is passed as text.

    TFX's ImportSchemaGen takes a path, which the pod of a node cannot read; and TFX's cache would
    not notice that the content at the path changed.

    Args:
        schema: the file that TFX's components read.
        text: the schema in the text format of its protocol buffer.
        source_hash: of the code; not read: a new one invalidates TFX's cache.

    Raises:
        google.protobuf.text_format.ParseError: the text is not a schema.
    """
    parsed = text_format.Parse(text, schema_pb2.Schema())
    io_utils.write_pbtxt_file(f"{schema.uri}/{DEFAULT_FILE_NAME}", parsed)
