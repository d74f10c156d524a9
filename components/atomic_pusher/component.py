"""AtomicPusher: TFX's Pusher with versions that appear atomically, each with its model card."""

from typing import Any

from tfx.components.pusher.component import Pusher
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import pusher_pb2
from tfx.types import channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import json_utils

from components.atomic_pusher import names
from components.atomic_pusher.executor import Executor
from components.image_example_gen import names as example_names
from components.sample_evaluator import names as evaluator_names


class AtomicPusherSpec(standard_component_specs.PusherSpec):
    """The inputs of TFX's Pusher, what the card is made of, and the teacher of a student."""

    INPUTS = {
        **standard_component_specs.PusherSpec.INPUTS,
        evaluator_names.EVALUATION: component_spec.ChannelParameter(
            type=standard_artifacts.ModelEvaluation
        ),
        example_names.EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        names.TEACHER: component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
    }


class AtomicPusher(Pusher):
    """Pushes a blessed model, if neither it nor its teacher was withdrawn.

    The arguments include no hash of the source, because a changed pusher must not push again.

    Args:
        model: the Model.
        model_blessing: of the model.
        evaluation: of the model, for its card.
        examples: the images that it was judged on, for its card.
        push_destination: the folder of the versions.
        custom_config: a changed value pushes again.
        teacher: that the model was distilled from; None for other models.

    Outputs:
        pushed_model: that of TFX's Pusher, with version.txt in place of a copy of the model.
    """

    SPEC_CLASS = AtomicPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: channel.BaseChannel,
        model_blessing: channel.BaseChannel,
        evaluation: channel.BaseChannel,
        examples: channel.BaseChannel,
        push_destination: pusher_pb2.PushDestination,
        custom_config: dict[str, Any],
        teacher: channel.BaseChannel | None = None,
    ) -> None:
        spec = AtomicPusherSpec(
            model=model,
            model_blessing=model_blessing,
            evaluation=evaluation,
            examples=examples,
            teacher=teacher,
            push_destination=push_destination,
            custom_config=json_utils.dumps(custom_config),
            pushed_model=channel.Channel(type=standard_artifacts.PushedModel),
        )
        # The constructor of Pusher does not accept the evaluation and the examples.
        base_component.BaseComponent.__init__(self, spec=spec)
