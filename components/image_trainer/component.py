"""ImageTrainer: TFX's Trainer with the number of steps as a separate parameter."""

from typing import Any

from tfx.components.trainer.component import Trainer
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import trainer_pb2
from tfx.types import channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import json_utils

from components.image_trainer import names
from components.image_trainer.executor import Executor
from trainer import examples as splits


class ImageTrainerSpec(standard_component_specs.TrainerSpec):
    """The parameters of TFX's Trainer and the steps."""

    PARAMETERS = {
        **standard_component_specs.TrainerSpec.PARAMETERS,
        names.STEPS: component_spec.ExecutionParameter(type=int),
    }


class ImageTrainer(Trainer):
    """Calls a function that trains on the split train.

    Args:
        examples: Examples with the splits train and eval (trainer/examples.py).
        transform_graph: the TransformGraph that decodes their images.
        run_fn: dotted name of the function (trainer/run_fn.py).
        custom_config: its options; `train` are TrainOptions.
        steps: number of batches to train on; overrides that in `custom_config`.
        base_model: the Model that a warm start begins from; may resolve to none.

    Outputs:
        model: the exported Model.
        model_run: logs for TensorBoard.
    """

    SPEC_CLASS = ImageTrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: channel.BaseChannel,
        transform_graph: channel.BaseChannel,
        run_fn: str,
        custom_config: dict[str, Any],
        steps: int | RuntimeParameter,
        base_model: channel.BaseChannel | None = None,
    ) -> None:
        spec = ImageTrainerSpec(
            examples=examples,
            transform_graph=transform_graph,
            base_model=base_model,
            run_fn=run_fn,
            train_args=trainer_pb2.TrainArgs(splits=[splits.TRAIN]),
            eval_args=trainer_pb2.EvalArgs(splits=[splits.EVAL]),
            custom_config=json_utils.dumps(custom_config),
            steps=steps,
            model=channel.Channel(type=standard_artifacts.Model),
            model_run=channel.Channel(type=standard_artifacts.ModelRun),
        )
        # The constructor of Trainer does not accept the steps.
        base_component.BaseComponent.__init__(self, spec=spec)
