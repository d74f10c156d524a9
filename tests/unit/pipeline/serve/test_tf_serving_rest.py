"""The server as a client of TensorFlow Serving's REST API sees it."""

import base64
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.serve import tf_serving
from pipeline.serve.errors import RequestError

PREDICT = "/v1/models/iadb:predict"


@pytest.fixture(scope="module")
def model(sampler):
    return tf.saved_model.load(str(sampler)).signatures


def generate(model, *seeds, nb_step=3, **labels):
    labels = {name: tf.constant(value) for name, value in labels.items()}
    steps = tf.constant(nb_step)
    return model["generate"](seed=tf.constant(seeds, tf.int64), nb_step=steps, **labels)["image"]


def predict(server, body, path=PREDICT):
    status, _, answer = server.ask(path, body)
    assert status == 200, answer
    return answer


def refused(server, body, path=PREDICT):
    status, _, answer = server.ask(path, body)
    return status, answer["error"]


def decoded(rows):
    files = [io.BytesIO(base64.b64decode(row["b64"])) for row in rows]
    return np.stack([np.array(Image.open(file))[..., None] for file in files])


def test_rows_are_seeds_and_the_answer_has_png_files_in_base64(server, model):
    answer = predict(server, {"instances": [5, 6]})
    np.testing.assert_array_equal(decoded(answer["predictions"]), generate(model, 5, 6))


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"seed": 5}, {"seed": 6}]},
        {"signature_name": "serving_default", "instances": [5, 6]},
        {"inputs": [5, 6]},
        {"inputs": {"seed": [5, 6]}},
    ],
)
def test_all_documented_formats_give_the_same_images(server, model, body):
    answer = predict(server, body)
    rows = answer["outputs" if "inputs" in body else "predictions"]
    np.testing.assert_array_equal(decoded(rows), generate(model, 5, 6))


def test_columns_take_a_scalar(server, model):
    body = {"signature_name": "generate", "inputs": {"seed": [5, 6], "nb_step": 4}}
    answer = predict(server, body)["outputs"]
    np.testing.assert_array_equal(answer, generate(model, 5, 6, nb_step=4))


def test_floats_go_in_and_out(server, model):
    x0 = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    body = {"signature_name": "transport", "inputs": {"x0": x0.tolist(), "nb_step": 3}}
    answer = np.array(predict(server, body)["outputs"])
    expected = model["transport"](x0=tf.constant(x0), nb_step=tf.constant(3))["x1"]
    np.testing.assert_allclose(answer, expected, atol=1e-6)


def test_an_empty_request_gets_an_empty_answer(server):
    assert predict(server, {"inputs": []}) == {"outputs": []}


def test_labels_are_strings(conditional, conditional_sampler):
    rows = [
        {"seed": 5, "label": "3"},
        {"seed": 5, "label": {"b64": "Nw=="}},
        {"seed": 5, "label": ""},
    ]
    answer = predict(conditional, {"instances": rows})
    model = tf.saved_model.load(str(conditional_sampler)).signatures
    expected = generate(model, 5, 5, 5, label=["3", "7", ""])
    np.testing.assert_array_equal(decoded(answer["predictions"]), expected)


def test_the_status_names_the_live_version(server):
    status, _, answer = server.ask("/v1/models/iadb")
    assert status == 200
    assert answer["model_version_status"] == [
        {"version": "7", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
    assert server.ask("/v1/models/iadb/versions/7")[2] == answer
    assert server.ask(f"/v1/models/iadb/versions/{'9' * 5000}")[0] == 404


def test_a_version_may_be_named(server, model):
    body = {"instances": [5]}
    named = predict(server, body, "/v1/models/iadb/versions/7:predict")
    assert named == predict(server, body)
    status, text = refused(server, body, "/v1/models/iadb/versions/6:predict")
    assert (status, text) == (404, "version 6 is not served; version 7 is")


def test_the_metadata_have_the_signatures(server):
    answer = server.ask("/v1/models/iadb/metadata")[2]
    assert answer["model_spec"] == {"name": "iadb", "signature_name": "", "version": "7"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures.keys() == {
        "serving_default", "generate", "transport", "invert", "trajectory", "deblend"
    }  # fmt: skip
    seed = signatures["generate"]["inputs"]["seed"]
    assert (seed["dtype"], seed["tensor_shape"]["dim"]) == (
        "DT_INT64",
        [{"size": "-1", "name": ""}],
    )


def generate_body(**inputs):
    return {"signature_name": "generate", "inputs": {"seed": [5], "nb_step": 3, **inputs}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "JSON of the request: "),
        (b'{"inputs": [' + b"9" * 5000 + b"]}", "value has 5000 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}", "nested more than 32 deep"),
        (b'{"inputs": [1e999]}', "expected a whole number"),
        (b'{"inputs": "\\ud800"}', "invalid string"),
        ({"instances": []}, "at least one row"),
        ({"instances": [5], "inputs": [5]}, 'either "instances" (rows) or "inputs" (columns)'),
        ({"instances": [5], "seed": 5}, "unknown key seed"),
        ({"instances": [{"seed": 5}, {"label": "3"}]}, "same inputs in every row"),
        ({"instances": [{"seed": 5, "label": "3"}]}, "unknown input label"),
        ({"instances": [[5, 6], [7]]}, "lists of equal lengths"),
        ({"instances": [5.5]}, "seed: expected a whole number, int64"),
        ({"instances": ["5"]}, "seed: expected a whole number, int64"),
        ({"instances": [True]}, "seed: expected a whole number, int64"),
        ({"instances": [2**70]}, "seed: expected"),
        ({"instances": [{"b64": "?"}]}, "invalid string or base64"),
        ({"instances": [None]}, "seed: expected numbers or strings"),
        ({"signature_name": "generate", "instances": [5]}, "must be named: nb_step, seed"),
        (
            {"signature_name": "generate", "instances": [{"seed": 5, "nb_step": 2}]},
            'nb_step has no rows: use the columnar format, "inputs"',
        ),
        (generate_body(seed=5), "seed: expected shape [N], got []"),
        (generate_body(nb_step=2**40), "nb_step: expected int32"),
        (generate_body(nb_step=5000), "5000 steps: one request may ask for at most 1000"),
        (generate_body(seed=[0] * 300), "at most 256 images"),
        (generate_body(nb_step=0), "nb_step"),
    ],
)
def test_a_wrong_request_is_explained_in_one_line(server, body, text):
    status, error = refused(server, body)
    assert status == 400
    assert text in error
    assert "\n" not in error and "sys." not in error
    assert len(error) < 400


def test_an_output_without_rows_is_answered_in_columns_only():
    outputs = {"image": np.zeros([2, 4]), "sum": np.array(3)}
    columns = tf_serving.answer(tf_serving.Request(None, {}, in_rows=False), outputs)
    assert columns["outputs"]["sum"] == 3
    with pytest.raises(RequestError, match="sum has no rows"):
        tf_serving.answer(tf_serving.Request(None, {}, in_rows=True), outputs)


def test_an_unknown_signature_and_an_unknown_model_are_not_found(server):
    status, error = refused(server, {"signature_name": "nope", "inputs": [5]})
    assert (status, error) == (404, 'Serving signature key "nope" not found.')
    status, error = refused(server, {"inputs": [5]}, "/v1/models/other:predict")
    assert (status, error) == (404, "model other is not served; iadb is (--name)")


def test_an_unknown_label_is_explained_and_the_known_ones_are_listed(conditional):
    status, error = refused(conditional, {"instances": [{"seed": 5, "label": "8"}]})
    assert status == 400
    assert "3, 7" in error
    assert "{{" not in error
