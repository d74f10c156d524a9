"""Quick stand-ins for network, sampler, training and evaluation, to test their surroundings."""

import contextlib
import functools
import json
import shutil
import uuid
from pathlib import Path

import keras
import pytest
from tensorflow.core.protobuf import fingerprint_pb2
from tfx.components.util import udf_utils

from components.sample_evaluator import executor
from components.sample_evaluator.measure.results import SourceResult
from components.sample_evaluator.verdict import history
from components.sample_evaluator.verdict.gate import ModelVerdict
from tests import small_network
from trainer.names import METADATA
from trainer.ode.transport import Sampling
from trainer.serving import onnx_network
from trainer.serving.sampler import Sampler

SHAPE = (8, 8, 1)


def save_sampler(folder, seed=0, labels=()):
    """Writes an untrained sampler of a small network, in the form in which runs push one."""
    keras.utils.set_random_seed(seed)
    x, alpha = keras.Input(SHAPE), keras.Input(())
    inputs = [x, alpha]
    hidden = keras.layers.Conv2D(8, 3, padding="same")(x)
    hidden += keras.layers.Dense(8)(keras.layers.Reshape([1, 1, 1])(alpha))
    if labels:
        label = keras.Input((), dtype="int32")
        inputs.append(label)
        embedding = keras.layers.Embedding(len(labels) + 1, 8, "normal")(label)
        hidden += keras.layers.Reshape([1, 1, 8])(embedding)
    y = keras.layers.Conv2D(1, 3, padding="same")(keras.layers.Activation("tanh")(hidden))
    network = keras.Model(inputs, y)
    Sampler(network, SHAPE, Sampling("euler", nb_step=2), labels).save(
        str(folder), {"nb_step": 2, "shape": SHAPE}
    )


@contextlib.contextmanager
def quick_network(convert=False):
    """Replaces the U-Net, whose traces take seconds; it is converted to ONNX only if asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.build.build_unet", small_network.build_unet)
        patch.setattr("trainer.student.build.build_unet", small_network.build_unet)
        if not convert:
            patch.setattr(onnx_network, "can_convert", lambda: False)
        yield


@contextlib.contextmanager
def quick_training(finished):
    """Replaces the training: every model is a copy of that of a finished run.

    It has an identity of its own, and its metadata have the options of the training that it
    replaces.
    """
    get_fn = udf_utils.get_fn  # TFX loads the module anew, so that nothing in it can be replaced
    copy = functools.partial(_copy_model, finished.model)

    def get(properties, name):
        return copy if name == "run_fn" else get_fn(properties, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(udf_utils, "get_fn", get)
        yield


def _copy_model(finished, fn_args):
    model = Path(fn_args.serving_model_dir)
    shutil.copytree(finished, model)
    path = model / "fingerprint.pb"
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
    fingerprint.uuid = str(uuid.uuid4())  # as TensorFlow draws one for every SavedModel
    path.write_bytes(fingerprint.SerializeToString())
    metadata = json.loads((model / METADATA).read_text())
    metadata["weights"] = uuid.uuid4().hex
    metadata["config"]["train"] = fn_args.custom_config["train"]
    (model / METADATA).write_text(json.dumps(metadata))


@contextlib.contextmanager
def quick_evaluation(evaluation):
    """Replaces the evaluation: every model gets the numbers of an earlier evaluation.

    Only the limit of KID decides; the history is that of the evaluations which are still there.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "evaluate", functools.partial(_judge, evaluation))
        yield


def _judge(finished, evaluation):
    content = json.loads((finished / "metrics.json").read_text())
    options, output = evaluation.options, Path(evaluation.output)
    kid = content["metrics"]["kid"]["candidate"]
    limit = options.judged["kid"].maximum
    blessed = limit is None or kid <= limit
    content |= {
        "blessed": blessed,
        "reasons": [f"kid {kid:.4g}, limit {limit}"],
        "model": {"uri": evaluation.candidate.uri},
        "history": history.earlier_metrics(
            evaluation, {"real": SourceResult(images=content["samples"])}, None
        ),
    }
    (output / "metrics.json").write_text(json.dumps(content))
    for name in ("report.html", "samples.png"):
        shutil.copyfile(finished / name, output / name)
    return ModelVerdict(blessed, tuple(content["reasons"]))
