import asyncio
import base64
import io
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import requests
from kserve import InferenceGRPCClient, InferInput, InferRequest
from PIL import Image

import iadb
from tests.exported_models import write_with_network

SEEDS, LABELS = [7, 3], ["", "cat"]
MAX_START = 60  # seconds


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_with_network(folder, shape=(8, 8, 3), labels=["cat", "dog"], limits={"images": 16})
    return iadb.load(folder)


@pytest.fixture(scope="module")
def ports(model):
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        rest, grpc = first.getsockname()[1], second.getsockname()[1]
    where = f"--http_port={rest}", f"--grpc_port={grpc}"
    command = [sys.executable, "-m", "iadb.kserve", "--model_name=digits"]
    with subprocess.Popen([*command, f"--model_dir={model.folder}", *where]) as process:
        deadline = time.monotonic() + MAX_START
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if requests.get(f"http://127.0.0.1:{rest}/v2/models/digits/ready", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield rest, grpc
        process.terminate()


def ask(ports, path, body):
    return requests.post(f"http://127.0.0.1:{ports[0]}{path}", json=body, timeout=60)


def tensors(seeds=SEEDS, labels=LABELS):
    return [
        {"name": "seed", "shape": [len(seeds)], "datatype": "INT64", "data": seeds},
        {"name": "label", "shape": [len(labels)], "datatype": "BYTES", "data": labels},
    ]


@pytest.fixture(scope="module")
def expected(model):
    rows = zip(SEEDS, LABELS, strict=True)
    return np.concatenate([model.sample(1, seed=seed, label=label) for seed, label in rows])


def test_v1_answers_as_tensorflow_serving_does(ports, expected):
    instances = [SEEDS[0], {"seed": SEEDS[1], "label": LABELS[1]}]
    answer = ask(ports, "/v1/models/digits:predict", {"instances": instances})
    pngs = [base64.b64decode(image["b64"]) for image in answer.json()["predictions"]]
    images = [np.asarray(Image.open(io.BytesIO(png))) for png in pngs]
    np.testing.assert_array_equal(images, expected)
    assert all(b"trainedAlgorithmicMedia" in png for png in pngs)


def test_v2_answers_with_pixels(ports, expected):
    answer = ask(ports, "/v2/models/digits/infer", {"inputs": tensors()}).json()
    [image] = answer["outputs"]
    assert (image["name"], image["datatype"]) == ("image", "UINT8")
    np.testing.assert_array_equal(np.reshape(image["data"], image["shape"]), expected)


def test_grpc_answers_with_pixels(ports, expected):
    seed, label = (InferInput(each["name"], each["shape"], each["datatype"]) for each in tensors())
    seed.set_data_from_numpy(np.array(SEEDS))
    label.set_data_from_numpy(np.array(LABELS, np.object_))

    async def infer():
        async with InferenceGRPCClient(f"127.0.0.1:{ports[1]}") as client:
            return await client.infer(InferRequest("digits", [seed, label]))

    [image] = asyncio.run(infer()).outputs
    np.testing.assert_array_equal(image.as_numpy(), expected)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/digits:predict", {"instances": []}),
        ("/v1/models/digits:predict", {"instances": [0.5]}),
        ("/v1/models/digits:predict", {"instances": [2**63]}),
        ("/v1/models/digits:predict", {"instances": [{"seed": 0, "label": "cow"}]}),
        ("/v1/models/digits:predict", {"instances": [{"x0": 0}]}),
        ("/v1/models/digits:predict", {"instances": [0] * 17}),
        ("/v1/models/digits:predict", [0]),
        ("/v2/models/digits/infer", {"inputs": []}),
        ("/v2/models/digits/infer", {"inputs": tensors([0], ["cow"])}),
        ("/v2/models/digits/infer", {"inputs": tensors([0], ["cat", "dog"])}),
    ],
)
def test_what_a_model_cannot_draw_is_an_error_of_the_client(ports, path, body):
    answer = ask(ports, path, body)
    assert answer.status_code == 400
    assert len(answer.json()["error"].splitlines()) == 1


def test_a_model_that_translates_is_left_to_tensorflow_serving(tmp_path):
    from iadb.kserve import Predictor
    from tests.exported_models import write_translator
    from trainer.source.options import Source

    write_translator(tmp_path, Source(degrade="gray"), (8, 8, 3))
    with pytest.raises(ValueError, match="TF Serving"):
        Predictor("gray", iadb.load(tmp_path))
