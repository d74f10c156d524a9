"""Writes the schema to the file that TFX's components read."""

import os
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.schema_importer import names


class Executor(base_executor.BaseExecutor):
    """Executor of SchemaImporter."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `schema`.

        Raises:
            google.protobuf.text_format.ParseError: the text is not a schema.
        """
        schema = text_format.Parse(exec_properties["text"], schema_pb2.Schema())
        folder = artifact_utils.get_single_uri(output_dict[names.SCHEMA])
        io_utils.write_pbtxt_file(os.path.join(folder, DEFAULT_FILE_NAME), schema)
