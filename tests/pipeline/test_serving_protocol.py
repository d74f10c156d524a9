"""A pushed sampler, asked as a user of TF Serving asks (docs/serving.md); a stand-in serves it."""

import base64
import functools
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.pipeline.stand_ins import save_sampler
from tests.serving_stand_in import POLL_SECONDS, ServingStandIn

LABELS = ["3", "7"]
SNIPPET = re.compile(r'(?ms)^```(sh|python)(?: title="(conditional|unconditional)")?\n(.*?)^```$')
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"
SNIPPETS = SNIPPET.findall(DOCUMENT.read_text("utf-8"))


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory):
    """A serving folder with one version, and its server."""
    folder = tmp_path_factory.mktemp("serving")
    save_sampler(folder / "7", seed=0)
    with ServingStandIn("iadb", folder) as server:
        yield folder, server


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """The same of a conditional model."""
    folder = tmp_path_factory.mktemp("serving")
    save_sampler(folder / "1", seed=0, labels=LABELS)
    with ServingStandIn("iadb", folder) as server:
        yield folder, server


@functools.cache
def load(model):
    return tf.saved_model.load(str(model))


def expected(model, *seeds, **inputs):
    """Images that a SavedModel draws where nothing serves it."""
    generate = load(model).signatures["generate"]
    steps = tf.constant(inputs.pop("nb_step", 2))
    given = {name: tf.constant(value) for name, value in inputs.items()}
    return generate(seed=tf.constant(seeds, tf.int64), nb_step=steps, **given)["image"].numpy()


def decoded(png_files):
    return np.stack([np.array(Image.open(io.BytesIO(png)))[..., None] for png in png_files])


def stub(server):
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def predict(server, signature="", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "iadb"
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return stub(server).Predict(request, timeout=60)


def rest(server, path, body=None):
    """Status and JSON of an answer."""
    url = f"http://127.0.0.1:{server.rest_port}{path}"
    try:
        with urllib.request.urlopen(url, body and json.dumps(body).encode()) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_grpc_gives_png_files_of_the_images_that_the_model_draws(unconditional):
    folder, server = unconditional
    response = predict(server, seed=np.array([5, 6], np.int64))
    images = decoded(response.outputs["image_bytes"].string_val)
    np.testing.assert_array_equal(images, expected(folder / "7", 5, 6))
    assert response.model_spec.version.value == 7


def test_grpc_calls_other_signatures(unconditional):
    folder, server = unconditional
    seeds = np.array([5, 6], np.int64)
    response = predict(server, "generate", seed=seeds, nb_step=np.int32(4))
    images = tf.make_ndarray(response.outputs["image"])
    np.testing.assert_array_equal(images, expected(folder / "7", 5, 6, nb_step=4))


def test_the_metadata_tell_the_signatures(unconditional):
    _, server = unconditional
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "iadb"
    response = stub(server).GetModelMetadata(request, timeout=60)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    default = signatures.signature_def["serving_default"]
    assert default.method_name == "tensorflow/serving/predict"
    assert {name: info.dtype for name, info in default.inputs.items()} == {"seed": tf.int64}
    assert {name: info.dtype for name, info in default.outputs.items()} == {
        "image_bytes": tf.string
    }


def test_rest_gives_png_files_as_base64(unconditional):
    folder, server = unconditional
    code, answer = rest(server, "/v1/models/iadb:predict", {"instances": [5, 6]})
    images = decoded([base64.b64decode(row["b64"]) for row in answer["predictions"]])
    assert code == 200
    np.testing.assert_array_equal(images, expected(folder / "7", 5, 6))


def test_rest_takes_columns_for_a_signature_with_a_scalar(unconditional):
    folder, server = unconditional
    body = {"signature_name": "generate", "inputs": {"seed": [5, 6], "nb_step": 4}}
    _, answer = rest(server, "/v1/models/iadb:predict", body)
    np.testing.assert_array_equal(answer["outputs"], expected(folder / "7", 5, 6, nb_step=4))


def test_rest_tells_what_is_served(unconditional):
    _, server = unconditional
    code, answer = rest(server, "/v1/models/iadb")
    (status,) = answer["model_version_status"]
    assert (code, status["version"], status["state"]) == (200, "7", "AVAILABLE")
    assert rest(server, "/v1/models/iadb/versions/7") == (code, answer)
    assert rest(server, "/v1/models/iadb/versions/6")[0] == 404
    assert rest(server, "/v1/models/other")[0] == 404


def test_labels_choose_the_class_of_each_image(conditional):
    folder, server = conditional
    rows = [{"seed": 5, "label": "3"}, {"seed": 5, "label": "7"}]
    _, answer = rest(server, "/v1/models/iadb:predict", {"instances": rows})
    images = decoded([base64.b64decode(row["b64"]) for row in answer["predictions"]])
    np.testing.assert_array_equal(images, expected(folder / "1", 5, 5, label=["3", "7"]))
    assert np.any(images[0] != images[1])


def test_an_unknown_label_is_refused_and_the_known_ones_are_told(conditional):
    _, server = conditional
    with pytest.raises(grpc.RpcError) as refused:
        predict(server, seed=np.array([5], np.int64), label=[b"8"])
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "3, 7" in refused.value.details()


@pytest.mark.slow
def test_a_new_version_is_taken_up_when_it_is_complete(unconditional, tmp_path):
    folder = tmp_path / "serving"
    shutil.copytree(unconditional[0], folder)
    save_sampler(tmp_path / "new", seed=1)
    seed = np.array([5], np.int64)
    with ServingStandIn("iadb", folder) as server:
        (folder / "10").mkdir()
        (folder / "10" / "saved_model.pb").write_bytes(b"half a file")
        for _ in range(5):
            assert predict(server, seed=seed).model_spec.version.value == 7
            time.sleep(POLL_SECONDS)
        shutil.rmtree(folder / "10")
        (tmp_path / "new").rename(folder / "10")
        end = time.monotonic() + 60
        while (response := predict(server, seed=seed)).model_spec.version.value != 10:
            assert time.monotonic() < end  # and no request fails on the way
    images = decoded(response.outputs["image_bytes"].string_val)
    np.testing.assert_array_equal(images, expected(folder / "10", 5))
    assert np.any(images != expected(folder / "7", 5))


@pytest.mark.parametrize("kind", ["unconditional", "conditional"])
def test_the_snippets_of_the_documentation_run(request, tmp_path, monkeypatch, kind):
    folder, server = request.getfixturevalue(kind)
    monkeypatch.chdir(tmp_path)
    names = {}
    monkeypatch.setenv("PATH", str(pathlib.Path(sys.executable).parent), prepend=os.pathsep)
    addresses = {
        "localhost:8500": f"127.0.0.1:{server.grpc_port}",
        "localhost:8501": f"127.0.0.1:{server.rest_port}",
    }
    for language, only, code in SNIPPETS:
        if only not in ("", kind):
            continue
        for documented, address in addresses.items():
            code = code.replace(documented, address)
        if language == "python":
            exec(code, names)
        else:
            ended = subprocess.run(["bash", "-ec", code], capture_output=True, text=True)
            assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
            assert "error" not in ended.stdout
    model = next(folder.iterdir())
    labels = {"label": ["3", "3", "7", ""]} if kind == "conditional" else {}
    images = decoded([pathlib.Path(f"grpc-{seed}.png").read_bytes() for seed in range(4)])
    np.testing.assert_array_equal(images, expected(model, *range(4), **labels))
    if kind == "unconditional":
        images = decoded([pathlib.Path(f"rest-{seed}.png").read_bytes() for seed in range(3)])
        np.testing.assert_array_equal(images, expected(model, *range(3)))
        np.testing.assert_array_equal(names["images"], expected(model, 0, 1, nb_step=8))
