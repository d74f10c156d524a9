import json
import re
import subprocess
import sys
from datetime import timedelta

import pytest
from dashboard_story import FIRST
from pydantic import TypeAdapter

from pipeline.monitoring.dashboard.collect import collect
from pipeline.monitoring.dashboard.files import FileReport
from pipeline.registry import lineage
from pipeline.registry.journal import Outcome
from pipeline.registry.live_model import _bless
from pipeline.registry.outcome import RunResult
from pipeline.workspace import Workspace


def test_a_model_is_joined_with_the_check_the_run_and_the_images_that_led_to_it(story):
    run, number = story.run(span=3)
    story.write_rejected(run, [["a.png", "empty"]])
    attempt = story.attempt(4, Outcome.BLESSED, runs=(run,))
    [trained] = collect(story.workspace).models
    assert trained.model.number == number
    assert trained.day == FIRST + timedelta(days=4)
    assert (trained.attempt.number, trained.run.id) == (attempt, run)
    assert (trained.dataset.spans, trained.dataset.accepted) == ((3,), 1797)
    assert trained.dataset.read == trained.day
    assert trained.dataset.report.rejected_files == [("a.png", "empty")]


def test_a_training_from_the_cache_belongs_to_the_run_that_trained(story):
    first, number = story.run(span=1)
    story.run(of=number, span=2)
    [trained] = collect(story.workspace).models
    assert trained.run.id == first
    assert trained.dataset.spans == (1,)


def test_the_latest_evaluation_of_a_model_is_shown(story):
    run, number = story.run()
    story.write_evaluation(run)
    later, _ = story.run(of=number)
    story.write_evaluation(later)
    [trained] = collect(story.workspace).models
    assert trained.evaluation.report.parent.name == later
    assert trained.evaluation.samples.parent.name == later


def test_a_rejected_model_is_for_review_until_another_is_judged_or_promoted(story):
    def for_review():
        text = story.site().page("index.html").content.decode()
        return re.findall(r"model (\d+)</a> was not blessed", text)

    numbers = [story.run(blessed=False)[1] for _ in range(3)]
    story.run(blessed=None)  # one that is not judged decides nothing
    assert for_review() == [str(numbers[2])]
    story.run(of=numbers[0])
    assert for_review() == []
    story.run(of=numbers[0], blessed=False)
    assert for_review() == [str(numbers[0])]
    store = story.recorded.store
    (second,) = store.get_artifacts_by_id([numbers[1]])
    _bless(store, second, story.workspace.artifacts, "the samples are good")
    assert for_review() == []


def test_a_report_outlives_its_artifact_in_the_folder_of_reports(story):
    run, _ = story.run()
    [trained] = collect(story.workspace).models
    assert (trained.evaluation.report, trained.evaluation.samples) == (None, None)
    story.workspace.reports.mkdir()
    kept = story.workspace.reports / f"{run}.html"
    kept.touch()
    [trained] = collect(story.workspace).models
    assert trained.evaluation.report == kept


def record_window(story, pattern, window):
    """Adds what the driver of ImageExampleGen records to its only execution."""
    store = story.recorded.store
    [execution] = store.get_executions_by_type("ImageExampleGen")
    properties = execution.custom_properties
    properties["input_base"].string_value = "/images"
    properties["window_options"].string_value = json.dumps({"pattern": pattern})
    properties["window"].string_value = json.dumps(window)
    store.put_executions([execution])


def test_a_dataset_of_several_spans_has_their_folders(story):
    story.run(span=9)
    [examples] = story.recorded.store.get_artifacts_by_type("Examples")
    examples.custom_properties["spans"].string_value = json.dumps([7, 9])
    story.recorded.store.put_artifacts([examples])
    record_window(story, "span-{SPAN}", [[7, "span-07"], [9, "span-9"]])
    overview = collect(story.workspace)
    [dataset] = overview.datasets
    assert dataset.source == "/images"
    assert dataset.spans == (7, 9)
    assert dataset.folders == {7: "span-07", 9: "span-9"}
    assert overview.has_spans
    assert overview.models[0].span == 9


def test_one_growing_folder_has_no_spans(story):
    story.run(span=0)
    record_window(story, "", [[0, ""]])
    overview = collect(story.workspace)
    assert overview.datasets[0].spans == ()
    assert overview.models[0].span is None
    assert not overview.has_spans
    story.journal.hold(0, "dark", FIRST)
    assert not collect(story.workspace).has_spans


@pytest.mark.parametrize(
    "content",
    [
        b'{"spl',
        b"[" * 100_000,
        b"3",
        b'{"metrics": {"kid": 1}, "rejected_files": 7}',
        b'{"metrics": [], "rejected_files": [["a.png"]], "by_span": {"1": 3}}',
        b'{"metrics": {"kid": {}}, "splits": {"train": "many"}, "by_span": []}',
    ],
)
def test_a_report_that_is_damaged_or_of_another_form_counts_as_removed(story, content):
    run, _ = story.run()
    story.write(run, "ImageExampleGen", "examples", "rejected.json", content)
    story.write(run, "SampleEvaluator", "evaluation", "metrics.json", content)
    overview = collect(story.workspace)
    assert overview.datasets[0].report == FileReport()
    assert overview.models[0].evaluation.metrics == {}
    site = story.site()
    assert all(site.page(path) for path in site.paths())


def test_the_newest_check_and_run_do_not_depend_on_the_clock(story):
    story.attempt(9000, Outcome.FAILED)
    number = story.attempt(1, Outcome.BLESSED)
    run, _ = story.run()
    context = lineage.run_contexts(story.recorded.store)[0]
    ahead = FIRST + timedelta(days=9000)
    result = RunResult(Outcome.FAILED, 1, "", ahead, ahead, (run,))
    text = TypeAdapter(RunResult).dump_json(result).decode()
    context.custom_properties[lineage.RESULT_PROPERTY].string_value = text
    story.recorded.store.put_contexts([context])
    run, _ = story.run()
    overview = collect(story.workspace)
    assert overview.last_check.number == number
    assert overview.last_run.runs == (run,)


def test_a_missing_workspace_is_empty_and_is_not_created(tmp_path):
    overview = collect(Workspace(tmp_path / "nowhere"))
    assert (overview.models, overview.runs, overview.events) == ([], [], [])
    assert not (tmp_path / "nowhere").exists()


def test_pages_are_rendered_without_tensorflow():
    modules = "pipeline.serve.dashboard, pipeline.monitoring.dashboard.write"
    script = f"import {modules}, sys; print({{'tensorflow', 'tfx'}} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "set()\n"
