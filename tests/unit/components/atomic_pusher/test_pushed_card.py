"""The card that a push writes into its version."""

import json
import re
from types import SimpleNamespace

import pytest
import yaml

from components.atomic_pusher import card
from components.atomic_pusher.names import PUSHED
from components.atomic_pusher.versions import complete_versions
from trainer.names import CARD_SAMPLES, METADATA, MODEL_CARD
from trainer.source.options import Source

HOSTILE = '<script>alert("x")</script>\n# x | [y](javascript:alert(1)) \x1b[2J\u202e $x^2$'

UNDOES = "Translates images of 8x8 in gray: undoes downscale 4."
FROM_PICTURES = "Translates pictures of another folder to images of 8x8 in gray."


@pytest.fixture
def pushed_version(push, tmp_path):
    def push_one(**options):
        """Pushes to a new folder; returns the version."""
        pushed = push(tmp_path / "serving", **options)
        assert pushed.get_int_custom_property(PUSHED) == 1
        [version] = complete_versions(tmp_path / "serving")
        return version

    return push_one


def change(path, **values):
    """Replaces values of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def card_of(version):
    return (version / MODEL_CARD).read_text("utf-8")


def test_a_push_writes_the_card_with_data_training_metrics_and_samples(pushed_version, tmp_path):
    version = pushed_version(started_from=5)
    text = card_of(version)
    for expected in (
        "# Model 7\n",
        "8x8 in gray",
        "| trained | 2027-01-15 |",
        "| verdict | blessed |",
        "| license | cc-by-4.0 |",
        "| folder | digits |",
        "| images | 1,797, including 2 duplicates |",
        "| rejected | 3 |",
        "| in eval | 197 |",
        "| spans | 1 to 2 |",
        "| train.steps | 12 |",
        "| network evaluations per image | 32 |",
        "| started from | model 5 |",
        "200 samples against as many held-out images",
        "| kid | 0.0123 | -0.0009 | 1.952 | lower |",
        "(samples.png)",
    ):
        assert expected in text, expected
    assert "/home/me" not in text
    assert "student" not in text
    samples = (tmp_path / "evaluation" / "samples.png").read_bytes()
    assert (version / CARD_SAMPLES).read_bytes() == samples


@pytest.mark.parametrize(("nb_step", "taken"), [(4, "4 steps"), (1, "1 step")])
def test_the_card_of_a_student_names_its_teacher_and_its_steps(
    pushed_version, tmp_path, nb_step, taken
):
    change(tmp_path / "model" / "Format-Serving" / METADATA, nb_step=nb_step)
    text = card_of(pushed_version(teacher=5))
    sentence = "it learned from the training images where steps of that model lead."
    assert f"\nA student of model 5: {sentence}\n" in text
    assert f"its own {taken}, whatever `nb_step` is, and has no `invert`" in text


@pytest.mark.parametrize(
    ("source", "labels", "sentence", "inputs"),
    [
        (Source(degrade="downscale 4"), [], UNDOES, {"seed"}),
        (Source(degrade="downscale 4", use="map", noise=0.1), [], UNDOES, {"seed"}),
        (Source(degrade=None, use="map"), [], FROM_PICTURES, set()),
        (Source(degrade=None), ["cat"], FROM_PICTURES, {"seed", "label"}),
    ],
)
def test_the_card_of_a_translator_says_what_it_undoes_and_calls_it_with_all_that_it_takes(
    pushed_version, tmp_path, source, labels, sentence, inputs
):
    metadata = tmp_path / "model" / "Format-Serving" / METADATA
    change(metadata, source=source.model_dump(), labels=labels)
    text = card_of(pushed_version())
    assert f"\n{sentence}\n" in text
    called = {}

    def translate(**given):
        called.update(given)
        return {"image_bytes": [SimpleNamespace(numpy=bytes)]}

    model = SimpleNamespace(signatures={"serving_default": translate})
    fake = SimpleNamespace(constant=lambda *given: given, int64=None)
    code = text.split("```python\n")[1].split("```")[0]
    calls = code[code.index("inputs =") :]
    exec(calls, {"tf": fake, "model": model, "files": [b""]})
    assert called.keys() == {"image_bytes"} | inputs


def test_the_card_of_a_conditional_model_lists_its_classes_and_draws_them_in_turn(
    pushed_version, tmp_path
):
    names = ["cat", *(f"kind {i}" for i in range(60))]
    metadata = tmp_path / "model" / "Format-Serving" / METADATA
    change(metadata, labels=names)
    text = card_of(pushed_version())
    assert "| classes | cat, kind 0, " in text and ", kind 48 and 11 more |" in text
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / METADATA).write_text(metadata.read_text("utf-8"), "utf-8")
    called = {}

    def draw(**given):
        called.update(given)
        return {"image_bytes": [SimpleNamespace(numpy=bytes)]}

    model = SimpleNamespace(signatures={"serving_default": draw})
    fake = SimpleNamespace(constant=list, int64=None, range=lambda count, dtype: range(count))
    code = text.split("```python\n")[1].split("```")[0].replace("FOLDER", str(tmp_path))
    assert code.startswith("import json\n\nimport tensorflow as tf\n")
    exec(code[code.index("seeds =") :], {"tf": fake, "model": model, "json": json})
    assert called["label"] == names[:8]


def test_the_card_is_there_before_the_version_is(push, tmp_path, monkeypatch):
    seen = []
    write = card.write

    def watched(made_of, folder):
        write(made_of, folder)
        seen.append((folder / MODEL_CARD).exists() and not complete_versions(tmp_path / "serving"))

    monkeypatch.setattr(card, "write", watched)
    push(tmp_path / "serving")
    assert seen == [True]


def test_two_pushes_of_a_model_write_the_same_card(push, tmp_path):
    for _ in range(2):
        push(tmp_path / "serving")
    first, second = map(card_of, complete_versions(tmp_path / "serving"))
    assert first == second


def test_without_metrics_json_the_recorded_metrics_are_shown(pushed_version, tmp_path):
    (tmp_path / "evaluation" / "metrics.json").unlink()
    text = card_of(pushed_version())
    assert "As recorded" in text and "| kid | 0.0125 | – | – | – |" in text


@pytest.mark.parametrize("estimated", [None, 0.0])
def test_a_class_without_an_estimate_is_not_taken_for_one_that_was_not_drawn(
    pushed_version, tmp_path, estimated
):
    kind = {"name": "cat", "held_out": 8, "estimated": estimated, "missing": False}
    change(tmp_path / "evaluation" / "metrics.json", kinds={"by": "class", "kinds": [kind]})
    stated = "\n\n–: not counted, since the classifier does not tell this class apart.\n\n"
    assert (stated in card_of(pushed_version())) == (estimated is None)


def test_a_judgement_of_too_few_images_for_kinds_is_read(pushed_version, tmp_path):
    kinds = {"by": None, "kinds": [], "unavailable": "32 held-out images are too few for kinds"}
    change(tmp_path / "evaluation" / "metrics.json", kinds=kinds)
    text = card_of(pushed_version())
    assert "As recorded" not in text and "| kid | 0.0123 | -0.0009 | 1.952 | lower |" in text


def test_without_samples_the_card_has_no_picture(pushed_version, tmp_path):
    (tmp_path / "evaluation" / "samples.png").unlink()
    version = pushed_version()
    assert "samples.png" not in card_of(version)
    assert not (version / CARD_SAMPLES).exists()


def test_without_the_report_on_the_files_the_card_says_so(pushed_version, tmp_path):
    (tmp_path / "examples" / "rejected.json").unlink()
    assert "## Data\n\nNot recorded.\n" in card_of(pushed_version())


def test_a_folder_without_spans_has_none_in_the_card(pushed_version, tmp_path):
    by_span = {"0": {"accepted": 1797, "rejected": 3}}
    change(tmp_path / "examples" / "rejected.json", by_span=by_span)
    assert "spans" not in card_of(pushed_version())


@pytest.mark.parametrize(
    ("stated", "head"),
    [
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("proprietary", {"license": "other", "license_name": "proprietary"}),
        ("public domain", {"license": "other", "license_name": "public domain"}),
    ],
)
def test_a_license_that_the_hub_does_not_list_is_another_one(
    pushed_version, tmp_path, stated, head
):
    change(tmp_path / "model" / "Format-Serving" / METADATA, license=stated)
    found = yaml.safe_load(card_of(pushed_version()).split("---\n", 2)[1])
    assert {key: found[key] for key in found if key.startswith("license")} == head


def test_names_from_the_data_become_no_markup_and_no_further_line(pushed_version, tmp_path):
    kinds = {"by": HOSTILE, "kinds": [{"name": HOSTILE, "held_out": 0.5, "missing": True}]}
    change(tmp_path / "evaluation" / "metrics.json", kinds=kinds, warnings=[HOSTILE])
    change(tmp_path / "examples" / "rejected.json", splits={HOSTILE: 1})
    change(tmp_path / "model" / "Format-Serving" / METADATA, labels=[HOSTILE], license=HOSTILE)
    body = card_of(pushed_version()).split("---\n", 2)[2]  # the head is YAML
    assert not re.search(r"(?<!\\)<script", body)
    assert not re.search(r"(?<!\\)\]\(javascript", body)
    assert "\x1b" not in body and "\u202e" not in body
    rows = [line for line in body.splitlines() if "script" in line]
    assert len(rows) == 6  # license, class, split, warning, "by", kind
    assert all(line.endswith(("|", "$", ":")) for line in rows)


@pytest.mark.parametrize("fault", [OSError("no space left"), ZeroDivisionError("division by zero")])
def test_a_push_without_a_card_says_why_in_one_line(pushed_version, monkeypatch, capsys, fault):
    def fail(made_of):
        raise fault

    monkeypatch.setattr(card, "render", fail)
    version = pushed_version()
    assert not (version / MODEL_CARD).exists()
    assert capsys.readouterr().out == f"  no model card was written: {fault}\n"


@pytest.mark.parametrize("file", ["evaluation/metrics.json", "examples/rejected.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"metrics": 1, "accepted": "many"}'])
def test_a_model_with_damaged_records_is_pushed_without_a_card(
    pushed_version, tmp_path, capsys, file, content
):
    (tmp_path / file).write_bytes(content)
    assert not (pushed_version() / MODEL_CARD).exists()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("  no model card was written: ")


def test_a_model_of_another_training_is_pushed_without_a_card(pushed_version, tmp_path, capsys):
    (tmp_path / "model" / "Format-Serving" / METADATA).write_text('{"nb_step": 4}')
    assert not (pushed_version() / MODEL_CARD).exists()
    assert capsys.readouterr().out.startswith("  no model card was written: shape: missing")
