"""Everything that builds a graph from a configuration names the feature space in it."""

import json

import pytest

from components.features.options import FeatureOptions
from pipeline.cluster.compile import compile_package
from pipeline.cluster.vertex import compile_job
from pipeline.config.pipeline_config import load
from pipeline.features import with_chosen_features

COLOR = ("data.folder=gs://bucket/images", "data.resolution=32", "data.channels=3")


def test_a_configuration_gets_the_space_for_its_images():
    lines = []
    gray = load(overrides=["data.channels=1"])
    chosen, warning = with_chosen_features(gray, lines.append)
    assert (chosen.evaluate.features.name, warning, lines) == ("random_conv", "", [])
    assert chosen.evaluate.model_copy(update={"features": FeatureOptions(name="auto")}) == (
        gray.evaluate
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compile_to", "root"),
    [(compile_package, "kubeflow.root=/workspace"), (compile_job, "vertex.root=gs://bucket/root")],
)
def test_a_pipeline_for_other_machines_is_compiled_with_the_space_and_the_warning(
    compile_to, root, tmp_path, capsys
):
    extra = ["vertex.image=host/iadb:1"] if "vertex" in root else []
    config = load(overrides=[*COLOR, root, *extra])
    compile_to(config, tmp_path / "compiled")
    written = (tmp_path / "compiled").read_text()
    assert "could not be fetched" in written and "random_conv" in written
    assert json.dumps({"name": "auto"})[1:-1] not in written.replace("\\", "")
    assert "fetching the weights" in capsys.readouterr().err
