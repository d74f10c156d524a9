"""Everything that builds a graph from a configuration names the feature space in it."""

import json

import pytest

from components.features.options import FeatureOptions
from pipeline.cluster.compile import compile_package
from pipeline.config.pipeline_config import load
from pipeline.features import with_chosen_features

COLOR = ("data.folder=gs://bucket/images", "data.resolution=32", "data.channels=3")


def test_a_configuration_gets_the_space_for_its_images():
    gray = load(overrides=["data.channels=1"])
    chosen = with_chosen_features(gray)
    assert chosen.evaluate.features.name == "random_conv"
    assert chosen.evaluate.model_copy(update={"features": FeatureOptions(name="auto")}) == (
        gray.evaluate
    )


@pytest.mark.slow
def test_a_pipeline_for_other_machines_is_compiled_with_the_space(tmp_path):
    config = load(overrides=[*COLOR, "kubeflow.root=/workspace"])
    compile_package(config, tmp_path / "compiled")
    written = (tmp_path / "compiled").read_text()
    assert "efficientnet-lite0" in written
    assert json.dumps({"name": "auto"})[1:-1] not in written.replace("\\", "")
