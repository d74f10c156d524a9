"""The requests that TF Serving sends to a new version before it serves it."""

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.small_network import build_unet
from trainer.names import WARM_UP
from trainer.ode.guidance import Guidance
from trainer.ode.transport import Sampling
from trainer.options import ModelOptions
from trainer.serving.sampler import Sampler

SHAPE = (4, 4, 3)
MODEL = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)


@pytest.fixture(
    scope="module",
    params=[
        "plain",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("conditional", "autoguided")),
    ],
)
def saved(request, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("model"))
    labels = ("cat", "dog") if request.param == "conditional" else ()
    network = build_unet(MODEL, (4, 4, 3), nb_class=len(labels))
    early = network if request.param == "autoguided" else None
    sampling = Sampling("euler", nb_step=2, guidance=Guidance(auto=2.0))
    Sampler(network, SHAPE, sampling, labels, early=early).save(folder, {"nb_step": 2})
    return folder


@pytest.fixture
def batched(saved):
    """The signatures that run where requests are batched."""
    return {
        name
        for name, function in tf.saved_model.load(saved).signatures.items()
        if all(spec.shape.rank for spec in function.structured_input_signature[1].values())
    }


def requests(folder):
    """Signature and inputs of each request."""
    for record in tf.data.TFRecordDataset(f"{folder}/{WARM_UP}"):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        given = {name: tf.constant(tf.make_ndarray(p)) for name, p in request.inputs.items()}
        yield request.model_spec.signature_name, given


def test_every_warm_up_request_gets_one_image(saved, batched):
    signatures = tf.saved_model.load(saved).signatures
    shapes = {}
    for name, given in requests(saved):
        (answer,) = signatures[name](**given).values()
        shapes[name] = tuple(answer.shape)
    networks = dict.fromkeys(batched - {"serving_default"}, (1, *SHAPE))
    assert shapes == {"serving_default": (1,), **networks}


def test_every_warm_up_request_runs_where_requests_are_batched(saved):
    for name, given in requests(saved):
        assert all(tensor.shape.rank >= 1 for tensor in given.values()), name


def test_warm_up_requests_cover_every_signature_that_runs_where_requests_are_batched(
    saved, batched
):
    assert {name for name, _ in requests(saved)} == batched
    assert {"serving_default", "deblend"} <= batched
