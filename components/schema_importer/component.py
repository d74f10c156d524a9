"""SchemaImporter: the schema that statistics, validation and Transform read."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, component_spec, standard_artifacts

from components.schema_importer import executor


class SchemaImporterSpec(component_spec.ComponentSpec):
    """Output and parameters of SchemaImporter."""

    PARAMETERS = {
        "text": component_spec.ExecutionParameter(type=str),
        # Read by nobody: a changed value makes TFX's cache miss.
        "source_hash": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {}
    OUTPUTS = {"schema": component_spec.ChannelParameter(type=standard_artifacts.Schema)}


class SchemaImporter(base_component.BaseComponent):
    """Writes a schema that it is given as text.

    TFX's ImportSchemaGen is given a path: which the pod of a node does not have, and under which
    TFX's cache would not see another content.

    Args:
        text: the schema, as text of the protocol buffer.
        source_hash: a hash of the code, so that a change of it runs the step again.
    """

    SPEC_CLASS = SchemaImporterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, text: str, source_hash: str = "") -> None:
        super().__init__(
            SchemaImporterSpec(
                text=text,
                source_hash=source_hash,
                schema=channel.Channel(type=standard_artifacts.Schema),
            )
        )
