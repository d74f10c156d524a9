"""Trains like TFX's GenericExecutor, in this process or, on a cluster, in several pods."""

import hashlib
import json
from typing import Any

from tfx import types
from tfx.components.trainer import executor, fn_args_utils
from tfx.dsl.io import fileio
from tfx.types import standard_component_specs

from components.image_trainer import names
from components.image_trainer.job_options import JobOptions, read_job_options
from components.image_trainer.worker import write_call
from components.parameters import complete
from components.resolvers import withdrawal
from trainer.common.remote_path import to_path
from trainer.names import METADATA, STUDENT_KEY
from trainer.options import TrainOptions

CALL_FILE = "call.json"
WORKER = ("python", "-m", "components.image_trainer.worker")


class Executor(executor.GenericExecutor):
    """Executor of ImageTrainer."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Calls the training function here or in the workers of a TFJob (job_options.py).

        The Model records that which it started from, if it did. That of a student is marked as
        such, so that no run takes it for a teacher. One that draws what a withdrawn one drew, as
        when a training that had ended is exported again, is withdrawn.

        Raises:
            ParameterError: `steps` is out of range.
            TFJobError: the workers could not be started, or one failed.
            RuntimeError: no model was exported.
        """
        job_options = read_job_options()
        config = json.loads(exec_properties[names.CUSTOM_CONFIG])
        (model,) = output_dict[names.MODEL]
        base = next(iter(input_dict.get(names.BASE_MODEL, [])), None)
        if config.get(STUDENT_KEY):
            model.set_int_custom_property(names.TEACHER, base.id)
        fn_args = self._GetFnArgs(input_dict, output_dict, exec_properties)
        if job_options is None:
            super().Do(input_dict, output_dict, exec_properties)
        else:
            self._run_workers(job_options, exec_properties, fn_args)
        with fileio.open(f"{fn_args.serving_model_dir}/{METADATA}", "rb") as file:
            about = json.load(file)
        # None where it turned to a cold start.
        if base and about.get("warm_started_from") is not None:
            model.set_int_custom_property(names.STARTED_FROM, base.id)
        if found := withdrawal.recall(to_path(config["checkpoints"]), about):
            model.set_string_custom_property(withdrawal.WITHDRAWN_PROPERTY, found.reason)
            model.set_string_custom_property(withdrawal.WITHDRAWN_AT_PROPERTY, found.at)

    def _run_workers(
        self,
        job_options: JobOptions,
        exec_properties: dict[str, Any],
        fn_args: fn_args_utils.FnArgs,
    ) -> None:
        """Has the workers of a TFJob call the training function; raises as Do does."""
        from components.image_trainer import tfjob  # kubernetes is in the extra kubeflow

        call = f"{fn_args.model_run_dir}/{CALL_FILE}"
        write_call(call, exec_properties[standard_component_specs.RUN_FN_KEY], fn_args)
        # The same for every attempt of a run, so that a retry finds the job of an earlier one.
        run_id = hashlib.sha256(self._context.pipeline_run_id.encode()).hexdigest()[:10]
        name = f"{self._context.pipeline_info.id[:30]}-train-{run_id}"
        tfjob.run(name, job_options, [*WORKER, call])
        if not fileio.exists(fn_args.serving_model_dir):
            raise RuntimeError(
                f"the workers wrote no model to {fn_args.serving_model_dir}: check that they share "
                "the pipeline's root"
            )

    def _GetFnArgs(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> fn_args_utils.FnArgs:
        """Adds the steps to the arguments of the function.

        Raises:
            ParameterError: `steps` is out of range.
        """
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        options = complete(
            TrainOptions, fn_args.custom_config["train"], steps=exec_properties[names.STEPS]
        )
        fn_args.train_steps = options.steps
        fn_args.custom_config["train"] = options.model_dump(mode="json")
        return fn_args
