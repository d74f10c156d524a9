"""DataGate: fails if the data have anomalies; the Trainer waits for it."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact, channel, component_spec, standard_artifacts

from components.data_gate import executor, names


class DataVerdict(artifact.Artifact):
    """The anomalies found in the data: verdict.json."""

    TYPE_NAME = "components.DataVerdict"


class DataGateSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of DataGate."""

    PARAMETERS = {
        "on_anomaly": component_spec.ExecutionParameter(type=str),
        # Not read; a changed value invalidates TFX's cache.
        "source_hash": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies)
    }
    OUTPUTS = {names.VERDICT: component_spec.ChannelParameter(type=DataVerdict)}


class DataGate(base_component.BaseComponent):
    """Fails the run if anomalies of ExampleValidator are errors, and reports them.

    Args:
        anomalies: the ExampleAnomalies of ExampleValidator, which itself never stops a pipeline.
        on_anomaly: `stop`, or `warn` to log them and continue.
        source_hash: hash of the code; a change reruns the component.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self, anomalies: channel.BaseChannel, on_anomaly: str = "stop", source_hash: str = ""
    ) -> None:
        super().__init__(
            DataGateSpec(
                anomalies=anomalies,
                on_anomaly=on_anomaly,
                source_hash=source_hash,
                verdict=channel.Channel(type=DataVerdict),
            )
        )
