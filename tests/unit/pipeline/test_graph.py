import functools
import json
import shutil

import pytest
from tfx.components.evaluator import constants
from tfx.components.example_gen import utils
from tfx.dsl.compiler.compiler import Compiler
from tfx.orchestration.portable.runtime_parameter_utils import substitute_runtime_parameter
from tfx.types import standard_component_specs
from tfx.utils import path_utils

from components.atomic_pusher import names as pusher_names
from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from components.sample_evaluator import names as evaluator_names
from components.source_hash import PROJECT, source_hash
from pipeline import graph
from pipeline.config.pipeline_config import ConfigError, load
from pipeline.graph import Locations, create_pipeline
from tests.recorded import OUTPUTS

LOCATIONS = Locations("artifacts", "checkpoints", "serving", "latest.png")


def compile_ir(*overrides):
    config = load("digits", overrides=["data.folder=/images", *overrides])
    return Compiler().compile(create_pipeline(config, LOCATIONS, schema=""))


def parameters(*overrides):
    """What TFX substitutes where a run gives no values."""
    substituted = substitute_runtime_parameter(compile_ir(*overrides), {})
    return {name: substituted[name] for name in ("data_folder", "span", "steps", "samples")}


def test_the_parameters_of_a_run_default_to_the_configuration():
    given = parameters("train.steps=123", "evaluate.samples=321")
    assert given == {"data_folder": "/images", "span": "latest", "steps": 123, "samples": 321}


@pytest.mark.parametrize("span", [0, 7])
def test_a_configured_span_is_the_default_of_a_run(span):
    assert parameters("data.pattern=day-{SPAN}", f"data.span={span}")["span"] == str(span)


def test_a_pipeline_without_a_folder_leaves_it_to_the_run():
    assert parameters("data.folder=null")["data_folder"] is None


def test_both_nodes_that_count_samples_take_the_same_parameter():
    ir = compile_ir()
    takers = [
        node.pipeline_node.node_info.id
        for node in ir.nodes
        if "samples" in node.pipeline_node.parameters.parameters
    ]
    assert sorted(takers) == ["RealFeatures", "SampleEvaluator"]


def test_nodes_and_outputs_have_the_names_that_records_are_read_by():
    outputs = {
        node.pipeline_node.node_info.id: {
            key: output.artifact_spec.type.name
            for key, output in node.pipeline_node.outputs.outputs.items()
        }
        for node in compile_ir("train.warm_start=true").nodes
    }
    assert outputs.keys() == OUTPUTS.keys()
    for node, named in OUTPUTS.items():
        assert named.items() <= outputs[node].items()


def test_records_have_the_names_that_tfx_gives_them():
    assert evaluator_names.MODEL_ID == constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
    assert evaluator_names.MODEL_URI == constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
    assert evaluator_names.BASELINE_ID == constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY
    assert evaluator_names.BASELINE_URI == constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY
    assert evaluator_names.BLESSED == constants.ARTIFACT_PROPERTY_BLESSED_KEY
    assert evaluator_names.BLESSED_FILE == constants.BLESSED_FILE_NAME
    assert evaluator_names.NOT_BLESSED_FILE == constants.NOT_BLESSED_FILE_NAME
    assert path_utils.serving_model_dir("model") == f"model/{trainer_names.SERVING}"
    assert trainer_names.BASE_MODEL == standard_component_specs.BASE_MODEL_KEY
    assert example_names.INPUT_BASE == standard_component_specs.INPUT_BASE_KEY
    assert example_names.SPAN == utils.SPAN_PROPERTY_NAME


def node_ids(*overrides):
    return {node.pipeline_node.node_info.id for node in compile_ir(*overrides).nodes}


def test_images_are_compared_with_earlier_ones_but_where_that_is_off():
    assert node_ids() - node_ids("drift.on_drift=off") == {"DriftGate", "DriftReference"}


def test_nothing_that_takes_long_starts_before_the_drift_is_known():
    upstream = {
        node.pipeline_node.node_info.id: node.pipeline_node.upstream_nodes
        for node in compile_ir().nodes
    }
    assert "DataGate" in upstream["DriftGate"]
    assert {"DataGate", "DriftGate"} <= set(upstream["Trainer"]) & set(upstream["RealFeatures"])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project's packages."""
    folder = tmp_path_factory.mktemp("project")
    for package in ("components", "data", "pipeline", "trainer"):
        shutil.copytree(PROJECT / package, folder / package)
    return folder


@pytest.fixture
def nodes_after(project, monkeypatch):
    """Replaces text of a file; returns the nodes that TFX's cache then misses."""
    monkeypatch.setattr(graph, "source_hash", functools.partial(source_hash, project=project))

    def parameters():
        return {
            node.pipeline_node.node_info.id: node.pipeline_node.parameters.SerializeToString(
                deterministic=True
            )
            for node in compile_ir().nodes
        }

    def replace(name, old, new):
        path, before = project / name, parameters()
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        try:
            after = parameters()
        finally:
            path.write_text(text)
        return {node for node in before if before[node] != after[node]}

    return replace


def test_a_changed_comment_or_docstring_runs_nothing_again_and_keeps_the_checkpoints(nodes_after):
    assert nodes_after("trainer/iadb.py", "Args:", "Arguments:") == set()
    assert nodes_after("trainer/iadb.py", "\n", "\n# A comment.\n") == set()


@pytest.mark.parametrize(
    ("name", "old", "nodes"),
    [
        (
            "trainer/records.py",
            "2**20",
            {"DriftGate", "RealFeatures", "Trainer", "SampleEvaluator"},
        ),
        ("trainer/step/augmenting.py", "15", {"Trainer"}),
        ("trainer/networks/unet.py", "10_00", {"Trainer"}),
        ("trainer/options.py", "class ModelOptions", {"Trainer"}),
        ("components/image_example_gen/image_decode.py", "255", {"ImageExampleGen"}),
        ("components/drift_gate/drift.py", "20", {"DriftGate"}),
        ("components/data_gate.py", "5", {"DataGate"}),
        ("components/sample_evaluator/report/report.html.j2", "<", {"SampleEvaluator"}),
        ("components/image_trainer/tfjob.py", "def run", set()),
        ("pipeline/monitoring/dashboard/collect.py", "0", set()),
        ("pipeline/registry/models.py", "1", set()),
        ("pipeline/cli.py", "TERMINATED", set()),
    ],
)
def test_a_changed_line_runs_the_nodes_again_whose_results_it_decides(
    nodes_after, name, old, nodes
):
    assert nodes_after(name, old, f"{old}0") == nodes


def test_each_pusher_takes_what_the_card_of_its_own_model_is_made_of():
    nodes = {n.pipeline_node.node_info.id: n for n in compile_ir("distill.enabled=true").nodes}
    for pusher, trainer, evaluator in (
        ("Pusher", "Trainer", "SampleEvaluator"),
        ("StudentPusher", "Student", "StudentEvaluator"),
    ):
        inputs = nodes[pusher].pipeline_node.inputs.inputs
        producers = {
            key: channel.producer_node_query.id
            for key, taken in inputs.items()
            for channel in taken.channels
        }
        assert (
            producers.items()
            >= {
                "model": trainer,
                "model_blessing": evaluator,
                "evaluation": evaluator,
                "examples": "ImageExampleGen",
            }.items()
        )


def test_only_the_pusher_of_a_student_sees_its_teacher():
    nodes = {n.pipeline_node.node_info.id: n for n in compile_ir("distill.enabled=true").nodes}
    teacher, own = (nodes[n].pipeline_node.inputs.inputs for n in ("StudentPusher", "Pusher"))
    (channel,) = teacher[pusher_names.TEACHER].channels
    assert channel.producer_node_query.id == trainer_names.NODE
    assert pusher_names.TEACHER not in own


STUDENT_NODES = ("Student", "StudentEvaluator", "StudentPusher")


def test_a_student_is_made_only_of_a_blessed_model_and_after_its_push():
    nodes = {n.pipeline_node.node_info.id: n.pipeline_node for n in compile_ir().nodes}
    assert not nodes.keys() & set(STUDENT_NODES)
    ir = compile_ir("distill.enabled=true")
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    for name in STUDENT_NODES:
        (condition,) = nodes[name].inputs.conditionals.values()
        assert "blessed" in str(condition.placeholder_expression)
    assert not nodes["Pusher"].inputs.conditionals
    assert "Pusher" in nodes["Student"].upstream_nodes
    assert list(nodes)[-3:] == list(STUDENT_NODES)


def test_a_student_is_trained_on_small_classes_as_often_as_its_teacher():
    overrides = ("distill.enabled=true", "model.conditional=true", "train.class_balance=0.5")
    config = load("digits", overrides=["data.folder=/images", *overrides])
    nodes = {node.id: node for node in create_pipeline(config, LOCATIONS, schema="").components}
    student = json.loads(nodes["Student"].exec_properties["custom_config"])
    assert student["train"]["class_balance"] == 0.5


@pytest.mark.parametrize(
    ("option", "key"),
    [("options=[--runner=X]", "options"), ("components.Transform=[--runner=X]", "components.Tra")],
)
def test_options_that_beam_refuses_are_an_error_before_anything_runs(option, key):
    config = load("digits", overrides=["data.folder=/images", f"beam.{option}"])
    with pytest.raises(ConfigError, match=rf"^beam\.{key}.*: Beam refuses this: Unexpected"):
        create_pipeline(config, LOCATIONS, schema="")


def test_a_student_learns_from_the_images_of_its_teacher():
    overrides = ("distill.enabled=true", "train.flip=true", "train.augment=0.2")
    ir = compile_ir(*overrides)
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    assert list(nodes)[-3:] == list(STUDENT_NODES)
    student = nodes["Student"]
    (channel,) = student.inputs.inputs["examples"].channels
    assert channel.producer_node_query.id == "ImageExampleGen"
    assert {"Pusher", "Trainer"} <= set(student.upstream_nodes)
    assert student.inputs.conditionals
    config = load("digits", overrides=["data.folder=/images", *overrides])
    made = {node.id: node for node in create_pipeline(config, LOCATIONS, schema="").components}
    given = json.loads(made["Student"].exec_properties["custom_config"])
    assert given["student"] is True
    assert made["Student"].exec_properties["steps"] == config.train.steps // 5
    assert (given["train"]["flip"], given["train"]["augment"]) == (False, 0)
    assert given["train"]["shuffle_buffer"] == config.train.shuffle_buffer


@pytest.mark.parametrize(
    ("guidance", "grid"),
    [
        ("", "uniform"),
        ("model.conditional=true sample.guidance=2", "late"),
        ("sample.autoguidance=2", "late"),
    ],
)
def test_a_student_of_a_guided_teacher_takes_shorter_steps_towards_the_image(guidance, grid):
    overrides = ["data.folder=/images", "distill.enabled=true", *guidance.split()]
    pipeline = create_pipeline(load("digits", overrides=overrides), LOCATIONS, schema="")
    nodes = {node.id: node for node in pipeline.components}
    student = json.loads(nodes["Student"].exec_properties["custom_config"])
    assert student["sample"]["grid"] == grid
