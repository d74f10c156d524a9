"""Hands the number of steps to the function that trains, then calls it as TFX does."""

from typing import Any

from tfx import types
from tfx.components.trainer import executor, fn_args_utils

from components.parameters import complete
from trainer.options import TrainOptions

STEPS_KEY = "steps"  # execution property: batches trained on


class Executor(executor.GenericExecutor):
    """Executor of ImageTrainer."""

    def _GetFnArgs(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> fn_args_utils.FnArgs:
        """Puts the steps where the function reads them.

        Raises:
            ParameterError: `steps` is out of its range.
        """
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        options = complete(
            TrainOptions, fn_args.custom_config["train"], steps=exec_properties[STEPS_KEY]
        )
        fn_args.train_steps = options.steps
        fn_args.custom_config["train"] = options.model_dump(mode="json")
        return fn_args
