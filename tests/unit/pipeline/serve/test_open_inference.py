"""The server as Triton's own client for the Open Inference Protocol sees it."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="module")
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as found:
        yield found


@pytest.fixture(scope="module")
def model(sampler):
    return tf.saved_model.load(str(sampler)).signatures


def tensor(name, array, *, binary=True):
    array = np.asarray(array)
    datatype = {"int64": "INT64", "int32": "INT32", "uint8": "UINT8", "object": "BYTES"}
    given = triton.InferInput(name, array.shape, datatype[array.dtype.name])
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def images_of(files):
    return np.stack([np.array(Image.open(io.BytesIO(file)))[..., None] for file in files])


def expected(model, *seeds, nb_step=3):
    seed = tf.constant(seeds, tf.int64)
    return model["generate"](seed=seed, nb_step=tf.constant(nb_step))["image"].numpy()


def test_the_server_is_live_and_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iadb")
    assert client.is_model_ready("iadb", "7")
    assert not client.is_model_ready("iadb", "8")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]


def test_the_metadata_describe_the_tensors(client):
    assert client.get_model_metadata("iadb") == {
        "name": "iadb",
        "versions": ["7"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "seed", "datatype": "INT64", "shape": [-1]}],
        "outputs": [{"name": "image_bytes", "datatype": "BYTES", "shape": [-1]}],
    }


@pytest.mark.parametrize("binary", [True, False])
def test_seeds_give_png_files(client, model, binary):
    seeds = tensor("seed", np.array([5, 6], np.int64), binary=binary)
    answer = client.infer("iadb", [seeds], request_id="a")
    files = answer.as_numpy("image_bytes")
    np.testing.assert_array_equal(images_of(files), expected(model, 5, 6))
    assert answer.get_response()["id"] == "a"
    assert answer.get_response()["model_version"] == "7"


@pytest.mark.parametrize("binary", [True, False])
def test_another_signature_is_a_parameter(client, model, binary):
    inputs = [
        tensor("seed", np.array([5, 6], np.int64), binary=binary),
        tensor("nb_step", np.array([4], np.int32), binary=binary),
    ]
    outputs = [triton.InferRequestedOutput("image", binary_data=binary)]
    answer = client.infer(
        "iadb", inputs, outputs=outputs, parameters={"signature_name": "generate"}
    )
    np.testing.assert_array_equal(answer.as_numpy("image"), expected(model, 5, 6, nb_step=4))


def test_labels_are_bytes(conditional, conditional_sampler):
    with triton.InferenceServerClient(f"127.0.0.1:{conditional.port}") as client:
        inputs = [
            tensor("seed", np.array([5, 5], np.int64)),
            tensor("label", np.array([b"3", b"7"], object)),
        ]
        files = client.infer("iadb", inputs).as_numpy("image_bytes")
        inputs[1] = tensor("label", np.array([b"3", b"7"], object), binary=False)
        assert list(client.infer("iadb", inputs).as_numpy("image_bytes")) == list(files)
    assert np.any(images_of(files)[0] != images_of(files)[1])


def test_files_in_json_are_base64(server, model):
    body = {"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [5]}]}
    _, _, answer = server.ask("/v2/models/iadb/infer", body)
    (output,) = answer["outputs"]
    assert output["parameters"] == {"content_type": "base64"}
    file = np.array([output["data"][0]])
    image = tf.io.decode_png(tf.io.decode_base64(file[0].replace("+", "-").replace("/", "_")))
    np.testing.assert_array_equal(image, expected(model, 5)[0])


def test_an_error_reaches_the_client(client):
    with pytest.raises(InferenceServerException, match="expected datatype INT64, got INT32"):
        client.infer("iadb", [tensor("seed", np.array([5], np.int32))])


SEED = {"name": "seed", "shape": [1], "datatype": "INT64"}
LENGTH = "Inference-Header-Content-Length"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "inputs: Field required"),
        ({"inputs": {}}, "inputs: "),
        ({"inputs": [{**SEED, "data": [5]}] * 2}, "input seed: given twice"),
        ({"inputs": [{**SEED, "data": [5], "name": "x"}]}, "input x: unknown"),
        ({"inputs": [SEED]}, "either data or binary_data_size"),
        ({"inputs": [{**SEED, "data": [5, 6]}]}, "2 values do not have the shape [1]"),
        ({"inputs": [{**SEED, "shape": [-1], "data": [5]}]}, "do not have the shape"),
        ({"inputs": [{**SEED, "shape": [2**62], "data": [5]}]}, "do not have the shape"),
        ({"inputs": [{**SEED, "shape": ["a"], "data": [5]}]}, "inputs.0.shape.0"),
        ({"inputs": [{**SEED, "datatype": "INT65", "data": [5]}]}, "inputs.0.datatype"),
        ({"inputs": [{**SEED, "data": [5]}], "outputs": [{"name": "x"}]}, "output x: unknown"),
        ({"inputs": [{**SEED, "parameters": {"binary_data_size": 8}}]}, "0 of 8 bytes are there"),
    ],
)
def test_a_wrong_request_is_explained(server, body, text):
    status, _, answer = server.ask("/v2/models/iadb/infer", body)
    assert status == 400
    assert text in answer["error"]


def test_binary_data_must_fit(conditional):
    label = {"name": "label", "shape": [1], "datatype": "BYTES"}
    header = (
        b'{"inputs": [{"name": "label", "shape": [1], "datatype": "BYTES", '
        b'"parameters": {"binary_data_size": 8}}]}'
    )
    for data, text in {
        struct.pack("<I", 100) + b"abcd": "a string is cut off",
        struct.pack("<I", 4) + b"abcd" + b"more": "4 bytes of binary data belong to no input",
    }.items():
        status, _, answer = conditional.ask(
            "/v2/models/iadb/infer", header + data, headers={LENGTH: str(len(header))}
        )
        assert (status, label["name"] in answer["error"] or text in answer["error"]) == (400, True)
        assert text in answer["error"]
    status, _, answer = conditional.ask("/v2/models/iadb/infer", header, headers={LENGTH: "9999"})
    assert (status, LENGTH in answer["error"]) == (400, True)
