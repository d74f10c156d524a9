"""SchemaImporter: writes the schema that statistics, validation and Transform read."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, component_spec, standard_artifacts

from components.schema_importer import executor, names


class SchemaImporterSpec(component_spec.ComponentSpec):
    """Output and parameters of SchemaImporter."""

    PARAMETERS = {
        "text": component_spec.ExecutionParameter(type=str),
        # Not read; a changed value invalidates TFX's cache.
        "source_hash": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {}
    OUTPUTS = {names.SCHEMA: component_spec.ChannelParameter(type=standard_artifacts.Schema)}


class SchemaImporter(base_component.BaseComponent):
    """Writes a schema that is passed as text.

    TFX's ImportSchemaGen takes a path, which the pod of a node cannot read; and TFX's cache would
    not notice that the content at the path changed.

    Args:
        text: the schema in the text format of its protocol buffer.
        source_hash: hash of the code; a change reruns the component.
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
