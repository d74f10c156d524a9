"""The card beside each version, from the records of a workspace with hostile text everywhere."""

import json
import re
import shutil

import pytest
import yaml
from dashboard_story import HOSTILE, record_everything
from huggingface_hub import ModelCard

from components.atomic_pusher import card
from components.atomic_pusher.versions import complete_versions
from components.image_trainer.names import SERVING
from pipeline.export.hub import lay_out
from pipeline.export.new_folder import ExportError
from pipeline.monitoring.model_card import (
    note_after_rollback,
    write_after_promotion,
    write_missing,
)
from pipeline.registry.live_model import _bless, _withdraw
from pipeline.registry.models import load_models
from pipeline.workspace import Workspace
from tests.recorded import write_model
from trainer.names import METADATA, MODEL_CARD


@pytest.fixture
def version(story):
    """The folder of the version that a story pushed, with the metadata of a training."""
    record_everything(story, HOSTILE)
    (folder,) = (each for each in story.workspace.serving.iterdir() if each.name.isdigit())
    about = {"shape": [8, 8, 1], "version": "0.1.0", "nfe": 32, "weights": "0123456789abcdef"}
    write_about(folder, **about, labels=[HOSTILE])
    return folder


def write_about(folder, **about):
    known = json.loads((folder / METADATA).read_text())
    (folder / METADATA).write_text(json.dumps({**known, **about}))


def card_of(story, version):
    write_missing(story.workspace)
    return (version / MODEL_CARD).read_text("utf-8")


def pushed(story):
    models = load_models(story.recorded.store, story.workspace.serving)
    return next(model for model in models if model.versions)


def head_of(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_a_card_tells_data_training_metrics_and_how_to_load(story, version):
    card = card_of(story, version)
    for expected in (
        "8x8 in gray",
        "| images | 1,797, including 0 duplicates |",
        "| kid | ",
        "0123456789abcdef",
        "network evaluations per image | 32",
        "tf.saved_model.load",
        "trainedAlgorithmicMedia",
    ):
        assert expected in card, expected


def test_the_samples_of_the_evaluation_are_beside_the_card(story, version):
    assert "(samples.png)" in card_of(story, version)
    assert (version / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_the_head_has_license_task_and_metrics(story, version):
    write_about(version, license="cc-by-4.0")
    head = head_of(card_of(story, version))
    assert head["license"] == "cc-by-4.0" and "license_name" not in head
    assert head["pipeline_tag"] == "unconditional-image-generation"
    (result,) = head["model-index"][0]["results"]
    assert {metric["type"] for metric in result["metrics"]} == {"kid"}


def test_without_the_files_of_the_evaluation_the_recorded_metrics_are_shown(story, version):
    shutil.rmtree(story.workspace.artifacts / "SampleEvaluator")
    card = card_of(story, version)
    assert "| kid | " in card and "As recorded" in card and "Not judged" not in card
    assert "samples.png" not in card


def test_the_mark_is_named_only_where_the_model_writes_it(story, version):
    write_about(version, weights=None)
    assert "trainedAlgorithmicMedia" not in card_of(story, version)


def test_the_hub_reads_the_metrics_of_a_card(story, version):
    card_of(story, version)
    found = ModelCard.load(version / MODEL_CARD).data
    assert [(each.metric_type, each.metric_value) for each in found.eval_results] == [
        ("kid", 0.0123)
    ]
    assert found.pipeline_tag == "unconditional-image-generation"


def test_a_model_that_translates_says_so(story, version):
    write_about(version, source={"degrade": "gray", "use": "condition"}, labels=[])
    card = card_of(story, version)
    assert head_of(card)["pipeline_tag"] == "image-to-image"
    assert "Translates images" in card and '"image_bytes": files' in card


def test_text_from_data_becomes_no_markup_and_no_further_line(story, version):
    card = card_of(story, version)
    assert not re.search(r"(?<!\\)<(script|img)", card)
    assert "\x1b" not in card and "\u202e" not in card
    row = next(line for line in card.splitlines() if line.startswith("| verdict"))
    assert "script" in row and row.endswith(" |")


def test_the_folder_for_the_hub_has_the_card_as_readme_and_the_model(story, version, tmp_path):
    lay_out(version, tmp_path / "hub", story.workspace)
    assert (tmp_path / "hub" / "README.md").read_text() == card_of(story, version)
    about, copied = ((each / METADATA).read_text() for each in (version, tmp_path / "hub"))
    assert json.loads(copied) == json.loads(about)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_folder_for_the_hub_is_exported_with_its_readme(story, version, tmp_path):
    lay_out(version, tmp_path / "hub", story.workspace)
    lay_out(tmp_path / "hub", tmp_path / "again", Workspace(tmp_path / "other"))
    assert (tmp_path / "again" / "README.md").read_text() == card_of(story, version)


def test_nothing_in_a_folder_is_replaced(story, version, tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "mine.txt").touch()
    with pytest.raises(ExportError, match="name a new folder with -o"):
        lay_out(version, tmp_path / "hub", story.workspace)


def test_a_version_of_another_workspace_is_reported(version, tmp_path):
    with pytest.raises(ExportError, match=r"has no MODEL_CARD.md, .* --workspace"):
        lay_out(version, tmp_path / "hub", Workspace(tmp_path / "other"))
    assert not (tmp_path / "hub").exists()


def test_a_model_that_was_never_pushed_is_to_be_promoted(story, tmp_path):
    never = write_model(story.workspace.artifacts / "Trainer" / "model" / "never" / SERVING)
    with pytest.raises(ExportError, match="was never pushed: export the version that `iadb promo"):
        lay_out(never, tmp_path / "hub", story.workspace)
    assert not (tmp_path / "hub").exists()


def test_no_folder_in_the_model_itself_is_made(story, version):
    with pytest.raises(ExportError, match="lies in the model"):
        lay_out(version, version / "hub", story.workspace)


def test_the_card_of_a_promoted_model_says_that_the_gate_did_not_bless_it(story):
    run, number = story.run(span=1, blessed=False, reason="kid 0.02 misses its limit")
    story.write_evaluation(run)
    story.recorded.push(number, story.workspace.serving)
    store, workspace = story.recorded.store, story.workspace
    (model,) = store.get_artifacts_by_id([number])
    _bless(store, model, workspace.artifacts, "needed today")
    (version,) = complete_versions(workspace.serving)
    write_about(version, shape=[8, 8, 1])
    card = card_of(story, version)
    assert "| verdict | not blessed: kid 0.02 misses its limit |\n" in card
    assert re.search(r"\| promoted \| by .+: needed today \|\n", card)


def test_the_card_of_a_withdrawn_model_says_so_and_keeps_the_rest(story, version):
    before = card_of(story, version)
    model = pushed(story)
    _withdraw(story.recorded.store, [model.number], "six *fingers*")
    for _ in range(2):  # a rollback that was killed is repeated
        note_after_rollback(story.workspace)
    card = card_of(story, version)
    title, line = f"# Model {model.number}\n", "\n**Withdrawn:** six \\*fingers\\*\n"
    assert card == before.replace(title, title + line)
    assert head_of(card) == head_of(before)


def test_a_card_that_was_edited_is_noted_below_its_title(story, version):
    model = pushed(story)
    title = f"---\na: 1\n---\n\n# Model {model.number}\n"
    (version / MODEL_CARD).write_text(f"{title}mine\n")
    _withdraw(story.recorded.store, [model.number], "bad")
    note_after_rollback(story.workspace)
    assert (version / MODEL_CARD).read_text() == f"{title}\n**Withdrawn:** bad\nmine\n"


def test_a_card_that_is_missing_gives_the_reason_of_a_withdrawal(story, version):
    model = pushed(story)
    _withdraw(story.recorded.store, [model.number], "six fingers")
    card = card_of(story, version)
    assert f"\n# Model {model.number}\n\n**Withdrawn:** six fingers\n" in card
    assert "| verdict | blessed" in card


def test_a_promotion_goes_on_without_a_card(story, version, monkeypatch, capsys):
    monkeypatch.setattr(card, "render", lambda made_of: 1 / 0)
    write_after_promotion(story.workspace)
    assert capsys.readouterr().err == "no model card was written: division by zero\n"


def test_a_card_that_is_there_stays_as_it_is(story, version):
    card_of(story, version)
    (version / MODEL_CARD).write_text("mine")
    assert card_of(story, version) == "mine"


def test_a_version_that_no_training_made_gets_none(story, version):
    write_about(version, shape=None)
    write_missing(story.workspace)
    assert not (version / MODEL_CARD).exists()


def test_a_workspace_without_versions_has_nothing_to_write(story):
    write_missing(story.workspace)
    assert not story.workspace.serving.exists()
