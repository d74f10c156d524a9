"""PairGen: a teacher's images with the seeds that it drew them from."""

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import channel, component_spec, standard_artifacts

from components.pair_gen import executor, names
from components.pair_gen.options import PairOptions


class PairGenSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of PairGen."""

    PARAMETERS = {
        names.OPTIONS: component_spec.ExecutionParameter(type=str),
        "source_hash": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        names.MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        names.EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {names.PAIRS: component_spec.ChannelParameter(type=standard_artifacts.Examples)}


class PairGen(base_beam_component.BaseBeamComponent):
    """Draws pairs (seed, image) with a model, as examples to train a student on.

    Args:
        model: the Model that draws, with its own solver and steps.
        examples: Examples that it was trained on. A conditional model draws its labels in their
            proportions.
        options: how many pairs, and where those that were drawn are.
        source_hash: of the code; a new one draws again.

    Outputs:
        pairs: Examples as ImageExampleGen writes them (trainer/examples.py), with the `seed` of
            each image, the `states` between segments, and the splits train and eval.
    """

    SPEC_CLASS = PairGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        model: channel.BaseChannel,
        examples: channel.BaseChannel,
        options: PairOptions,
        source_hash: str = "",
    ) -> None:
        super().__init__(
            PairGenSpec(
                model=model,
                examples=examples,
                options=options.model_dump_json(),
                source_hash=source_hash,
                pairs=channel.Channel(type=standard_artifacts.Examples),
            )
        )
