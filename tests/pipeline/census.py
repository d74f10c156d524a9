"""A small TFX pipeline that is not ours: files a day, counted, and compared with the day before."""

from pathlib import Path

from tfx.components import CsvExampleGen
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2
from tfx.types.channel import Channel
from tfx.types.standard_artifacts import Examples, Float, Integer, String

LARGE = 1000
NOTE = r"{{$.not_a_placeholder}} $(HOME) \ ' "


@component
def count(
    examples: InputArtifact[Examples],
    total: OutputArtifact[Integer],
    weight: Parameter[int],
    note: Parameter[str],
) -> None:
    """Counts files, times a weight."""
    files = [path for path in Path(examples.uri).rglob("*") if path.is_file()]
    total.value = weight * len(files)
    total.set_string_custom_property("note", note)
    total.set_int_custom_property("span", examples.get_int_custom_property("span"))
    total.set_float_custom_property("files", float(len(files)))


@component
def compare(
    total: InputArtifact[Integer],
    report: OutputArtifact[String],
    before: InputArtifact[Integer] = None,
) -> None:
    """Says what the total was before."""
    earlier = before.get_int_custom_property("span") if before else "nothing"
    report.value = f"{total.get_int_custom_property('span')} after {earlier}"


@component
def celebrate(report: InputArtifact[String], party: OutputArtifact[String]) -> None:
    """Runs on large totals alone."""
    party.value = report.value


@component
def clean_up(party: InputArtifact[String], tidy: OutputArtifact[String]) -> None:
    """Comes after a party, if there was one."""
    tidy.value = party.value


@component
def double(number: InputArtifact[Float], twice: OutputArtifact[Float]) -> None:
    """Needs a number that somebody else made."""
    twice.value = 2 * number.value


def create(root: Path, data: Path) -> Pipeline:
    """The pipeline, with the inputs `weight`, without a default, and `note`."""
    pattern = example_gen_pb2.Input(
        splits=[example_gen_pb2.Input.Split(name="all", pattern="span-{SPAN}/*")]
    )
    examples = CsvExampleGen(input_base=str(data), input_config=pattern)
    before = Resolver(strategy_class=LatestArtifactStrategy, total=Channel(type=Integer)).with_id(
        "Before"
    )
    counted = count(
        examples=examples.outputs["examples"],
        weight=RuntimeParameter(name="weight", ptype=int),
        note=RuntimeParameter(name="a_note", ptype=str, default=NOTE),
    ).with_id("Count")
    counted.add_upstream_node(before)
    compared = compare(total=counted.outputs["total"], before=before.outputs["total"])
    with Cond(counted.outputs["total"].future().value > LARGE):
        celebrated = celebrate(report=compared.outputs["report"]).with_id("Celebrate")
    cleaned = clean_up(party=celebrated.outputs["party"]).with_id("CleanUp")
    return Pipeline(
        pipeline_name="census",
        pipeline_root=str(root),
        components=[examples, before, counted, compared.with_id("Compare"), celebrated, cleaned],
        enable_cache=True,
    )
