"""The summary that a run or an evaluation prints at its end."""

import io
import json

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich.console import Console

from components.image_example_gen import names
from pipeline.registry.lineage import Run
from pipeline.terminal import NodeLines, print_evaluation, print_summary, print_verdict
from pipeline.workspace import Workspace


@pytest.fixture
def summary(tmp_path):
    """A function: properties of the examples -> the printed lines."""

    def make(**properties):
        artifact = mlmd.Artifact(state=mlmd.Artifact.LIVE, uri=str(tmp_path))
        for name, value in properties.items():
            kind = "string_value" if isinstance(value, str) else "int_value"
            setattr(artifact.custom_properties[name], kind, value)
        run = Run("id", artifacts={(names.NODE, names.EXAMPLES): artifact})
        console = Console(file=io.StringIO(), width=200)
        print_summary(console, run, None, Workspace(tmp_path))
        return console.file.getvalue().splitlines()

    return make


COUNTS = {"accepted": 1797, "rejected": 0, "duplicates": 3}


def test_skipped_files_and_unusual_images_follow_the_counts(summary):
    remarks = ["not read: 2 .heic; convert them to JPEG or PNG", "ignored: 1 [.csv]"]
    lines = summary(**COUNTS, remarks=json.dumps(remarks))
    start = lines.index("Images   1,797 accepted (3 of them duplicates), 0 rejected")
    assert lines[start + 1 : start + 3] == [f"{'':9}{remark}" for remark in remarks]


def test_images_that_were_read_before_remarks_were_recorded_have_none(summary):
    assert summary(**COUNTS)[1:3] == [
        "Images   1,797 accepted (3 of them duplicates), 0 rejected",
        "Verdict  not blessed",
    ]


def test_a_warning_about_the_feature_space_comes_before_the_verdict():
    console = Console(file=io.StringIO(), width=200)
    metrics = {
        "samples": 2,
        "features": "random_conv",
        "features_warning": "compared in random_conv",
        "metrics": {},
        "blessed": True,
        "reasons": ["better"],
    }
    print_verdict(console, metrics)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert lines[-2:] == ["Warning  compared in random_conv", "Verdict  blessed: better"]


def test_each_pipeline_run_is_announced_once_when_its_first_node_starts():
    begun = []
    lines = NodeLines(Console(file=io.StringIO()), begun.append)
    for node, run in (("ImageExampleGen", "a"), ("Trainer", "a"), ("Pusher", "b")):
        lines.started(node, run)
        lines.finished(node, 1.0, cached=False)
    assert begun == lines.run_ids == ["a", "b"]


def test_names_of_evaluated_folders_do_not_control_the_terminal(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    metrics = {"samples": 1, "features": "pixels", "metrics": {}, "blessed": True, "reasons": []}
    name = "a\n\x1b[1m[red]"
    print_evaluation(console, [f"1 image in {name}"], metrics, {}, tmp_path / name)
    lines = console.file.getvalue().splitlines()
    assert r"Images   1 image in a\n\x1b[1m[red]" in lines
    assert rf"Report   {tmp_path}/a\n\x1b[1m[red]" in lines
