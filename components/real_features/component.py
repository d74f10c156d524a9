"""RealFeatures: features of the real images that evaluations compare samples with."""

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import channel, component_spec, standard_artifacts

from components.real_features import executor, names
from components.real_features.artifact import ImageFeatures
from components.real_features.options import RealFeaturesOptions


class RealFeaturesSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of RealFeatures."""

    PARAMETERS = {
        "options": component_spec.ExecutionParameter(type=str),
        "samples": component_spec.ExecutionParameter(type=int),
        "source_hash": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
    }
    OUTPUTS = {names.FEATURES: component_spec.ChannelParameter(type=ImageFeatures)}


class RealFeatures(base_beam_component.BaseBeamComponent):
    """Computes the features of the training images and of the held-out images to compare with.

    As a separate node it is cached while data and feature space are the same, however many models
    are judged.

    Args:
        examples: Examples with the splits train and eval (trainer/examples.py).
        transform_graph: the TransformGraph that decodes their images.
        options: batch size, feature space.
        samples: maximum number of held-out images, and of training images if it is above 5,000;
            replaces the one in `options`.
        source_hash: of the code; a new one computes the features again.

    Outputs:
        features: files of described images, in the feature space and, for the search of copies, of
            all training images in random_conv; and a grid of held-out images.
    """

    SPEC_CLASS = RealFeaturesSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: channel.BaseChannel,
        transform_graph: channel.BaseChannel,
        options: RealFeaturesOptions,
        samples: int | RuntimeParameter,
        source_hash: str = "",
    ) -> None:
        super().__init__(
            RealFeaturesSpec(
                examples=examples,
                transform_graph=transform_graph,
                options=options.model_dump_json(exclude={"samples"}),
                samples=samples,
                source_hash=source_hash,
                features=channel.Channel(type=ImageFeatures),
            )
        )
