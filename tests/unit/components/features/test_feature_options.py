"""Options of a feature space are rejected if they cannot work, before anything is loaded."""

import typing

import pydantic
import pytest

from components.features import load_extractor
from components.features.digest import FeatureError
from components.features.options import FeatureOptions, choose_features
from components.metrics import CATALOG, HOLDOUT_METRICS, HOLDOUT_PAIR_METRICS, PAIR_METRICS
from components.sample_evaluator.options import EvaluateOptions, MetricName

SHA256 = "0" * 64
AUTO = FeatureOptions(name="auto")


def read(features):
    return EvaluateOptions.model_validate({"features": features}).features


def test_a_name_alone_will_do():
    assert read("random_conv") == read({"name": "random_conv"})
    assert EvaluateOptions().features == FeatureOptions(name="auto")


@pytest.mark.parametrize(
    ("features", "kind", "uri"),
    [
        ("pixels", "pixels", None),
        (
            {"name": "onnx:gs://b/m.onnx", "sha256": SHA256, "mean": [0.5, 0.5, 0.5]},
            "onnx",
            "gs://b/m.onnx",
        ),
    ],
)
def test_every_kind_survives_json_and_names_its_pinned_file(features, kind, uri):
    options = read(features)
    assert (options.kind, options.uri) == (kind, uri)
    assert FeatureOptions.model_validate_json(options.model_dump_json()) == options


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            "inception",
            "auto, pixels, random_conv, efficientnet-lite0, onnx:URI",
        ),
        ("pixels:x", "must be one of auto, pixels"),
        ("pixels:", "must be one of auto"),
        ("onnx", "must be one of auto"),
        ("onnx:", "must be one of auto"),
        ("onnx:m.onnx", "onnx:m.onnx requires sha256; `iadb digest m.onnx` prints it"),
        ({"sha256": SHA256}, "name"),
        ({"name": "onnx:m", "sha256": "abc"}, "sha256"),
        ({"name": "pixels", "sha256": SHA256}, "sha256 is not a setting of pixels"),
        ("saved_model:m", "must be one of auto"),
        ({"name": "onnx:m", "sha256": SHA256, "stddev": [0, 1, 1]}, "greater than 0"),
        ({"name": "onnx:m", "sha256": SHA256, "mean": [0.5]}, "mean"),
        ({"name": "efficientnet-lite0", "resolution": 31}, "must be at least 32"),
        ({"name": "efficientnet-lite0", "sha256": SHA256}, "sha256 is not a setting"),
        ({"name": "auto", "resolution": 64}, "resolution is not a setting of auto"),
        ({"name": "onnx:m", "sha256": SHA256, "resolution": 4}, "greater than or equal to 8"),
    ],
)
def test_options_that_cannot_work_are_rejected(features, message):
    with pytest.raises(pydantic.ValidationError) as caught:
        read(features)
    assert message in str(caught.value)


def test_the_options_offer_the_metrics_that_there_are():
    of_pairs = {*PAIR_METRICS, *HOLDOUT_PAIR_METRICS}
    assert set(typing.get_args(MetricName)) == {*CATALOG, *HOLDOUT_METRICS, *of_pairs}


def test_the_same_weights_are_the_same_features_wherever_they_are():
    here, there, other = (
        FeatureOptions(name=f"onnx:{place}/net.onnx", sha256=digest * 64)
        for place, digest in (("/a", "0"), ("gs://b", "0"), ("/a", "1"))
    )
    assert here.identity == there.identity != other.identity
    assert FeatureOptions(name="pixels").identity != FeatureOptions(name="random_conv").identity


@pytest.mark.parametrize(
    ("resolution", "channels"), [(31, 3), (8, 1), (256, 1)], ids=["small", "tiny", "gray"]
)
def test_small_and_gray_images_get_random_conv(resolution, channels):
    chosen = choose_features(AUTO, (resolution, resolution, channels))
    assert chosen == FeatureOptions(name="random_conv")


@pytest.mark.parametrize(
    ("sides", "resized"),
    [((32, 32), 112), ((256, 256), 224), ((24, 32), 112), ((128, 96), 128), ((300, 40), 224)],
)
def test_color_images_get_the_trained_network(sides, resized):
    chosen = choose_features(AUTO, (*sides, 3))
    assert chosen == FeatureOptions(name="efficientnet-lite0", resolution=resized)


@pytest.mark.parametrize("name", ["pixels", "random_conv", "efficientnet-lite0"])
def test_a_name_stays(name):
    space = FeatureOptions(name=name)
    assert choose_features(space, (64, 64, 3)) == space


def test_a_component_does_not_choose():
    with pytest.raises(FeatureError, match="auto must be chosen before"):
        load_extractor(AUTO)
