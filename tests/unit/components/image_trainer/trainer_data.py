"""Runs ImageTrainer's executor as TFX does."""

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.proto.orchestration.pipeline_pb2 import PipelineInfo
from tfx.types import artifact_utils, channel_utils, standard_artifacts

from components.image_trainer.component import ImageTrainer
from components.image_trainer.executor import Executor


def train(folder, run_fn, custom_config, steps, *, model=None, **inputs):
    """Runs it on `examples` and `transform_graph` in a folder; returns the path of the model.

    The model goes to `model`, the logs to `model_run`. The artifact of the model and further inputs
    are those that are given.
    """
    component = ImageTrainer(
        examples=channel_utils.as_channel([standard_artifacts.Examples()]),
        transform_graph=channel_utils.as_channel([standard_artifacts.TransformGraph()]),
        run_fn=run_fn,
        custom_config={"checkpoints": str(folder / "checkpoints"), **custom_config},
        steps=steps,
    )
    inputs |= {
        "examples": standard_artifacts.Examples(),
        "transform_graph": standard_artifacts.TransformGraph(),
    }
    outputs = {
        "model": model or standard_artifacts.Model(),
        "model_run": standard_artifacts.ModelRun(),
    }
    for key, artifact in (inputs | outputs).items():
        artifact.uri = str(folder / key)
    inputs["examples"].split_names = artifact_utils.encode_split_names(["train", "eval"])
    for key in outputs:
        (folder / key).mkdir(exist_ok=True)
    info = PipelineInfo(id="iadb")
    Executor(BaseExecutor.Context(pipeline_info=info, pipeline_run_id="run-1")).Do(
        {key: [artifact] for key, artifact in inputs.items()},
        {key: [artifact] for key, artifact in outputs.items()},
        component.exec_properties,
    )
    return folder / "model" / "Format-Serving"
