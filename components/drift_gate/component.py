"""DriftGate: the node that compares new images with earlier ones."""

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import channel, component_spec, standard_artifacts

from components.drift_gate import executor, names
from components.drift_gate.artifact import DriftVerdict
from components.drift_gate.options import DriftOptions
from components.features.options import FeatureOptions


class DriftGateSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of DriftGate."""

    PARAMETERS = {
        "options": component_spec.ExecutionParameter(type=str),
        "features": component_spec.ExecutionParameter(type=str),
        "source_hash": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "reference": component_spec.ChannelParameter(type=DriftVerdict, optional=True),
    }
    OUTPUTS = {names.VERDICT: component_spec.ChannelParameter(type=DriftVerdict)}


class DriftGate(base_beam_component.BaseBeamComponent):
    """Compares the images of the newest spans with a sample of those since the last drift.

    Args:
        examples: Examples with the splits train and eval (trainer/examples.py).
        reference: the DriftVerdict on earlier data, from a Resolver; may resolve to none.
        options: limits, and the action on drift.
        features: the feature space.
        source_hash: of the code; a new one compares again.

    Outputs:
        verdict: all numbers, and the sample to compare the next images with.
    """

    SPEC_CLASS = DriftGateSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: channel.BaseChannel,
        reference: channel.BaseChannel,
        options: DriftOptions,
        features: FeatureOptions,
        source_hash: str = "",
    ) -> None:
        super().__init__(
            DriftGateSpec(
                examples=examples,
                reference=reference,
                options=options.model_dump_json(),
                features=features.model_dump_json(),
                source_hash=source_hash,
                verdict=channel.Channel(type=DriftVerdict),
            )
        )
