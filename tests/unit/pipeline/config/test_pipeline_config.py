import os
import re
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

from data import emoji
from pipeline.config.pipeline_config import (
    ConfigError,
    PipelineConfig,
    load,
    require_runnable,
)
from pipeline.config.sections import DataConfig, require_folder
from pipeline.config.values import presets
from pipeline.config.yaml_text import MAX_CHARACTERS, dump, parse, quote
from trainer.options import EmaOptions, TrainOptions


def message(*overrides, **kwargs):
    with pytest.raises(ConfigError) as error:
        load("digits", overrides=overrides, **kwargs)
    return str(error.value)


def test_the_last_of_preset_file_and_overrides_wins(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("train: {steps: 300, batch_size: 16}\n")
    resolved = load("digits", file, ["train.steps=400"])
    assert resolved.train.steps == 400
    assert resolved.train.batch_size == 16
    assert resolved.data.resolution == (8, 8)


@pytest.mark.parametrize("preset", presets())
def test_every_preset_is_valid_for_any_number_of_steps(preset):
    assert load(preset).name == preset.replace("_", "-")
    assert load(preset, overrides=["train.steps=3"]).train.warmup < 3


@pytest.mark.parametrize("preset", presets())
def test_no_preset_is_emulated_on_any_machine(preset):
    assert load(preset).train.precision in ("auto", "float32")


@pytest.mark.parametrize("preset", presets())
def test_what_is_shown_loads_to_the_same_configuration(preset, tmp_path):
    file = tmp_path / "config.yaml"
    settings = (
        "beam.components.Transform=[--runner=X, '#1']",
        "drift.on_drift=off",
        "data.folder='1e3'",
        "notify.on=[held]",
        "kubeflow.default.memory=4Gi",
        "kubeflow.nodes.Trainer={gpu: 1, node_selector: {'on': 'yes', zone: '010'}}",
        "kubeflow.default.tolerations=[{key: 'a: b'}]",
    )
    resolved = load(preset, overrides=settings)
    file.write_text(dump(resolved))
    shown = load(file=file)
    assert shown == resolved
    # A key that is not set leaves the default of all nodes alone.
    assert shown.kubeflow.of_node("Trainer").memory == "4Gi"
    assert yaml.safe_load(file.read_text()) == parse(file.read_text())


@pytest.mark.parametrize(
    ("override", "sides", "shown"),
    [
        ("data.resolution=64", (64, 64), "resolution: 64"),
        ("data.resolution=[64, 64]", (64, 64), "resolution: 64"),
        ("data.resolution=[48,64]", (48, 64), "resolution: [48, 64]"),
    ],
)
def test_a_resolution_is_shown_as_one_number_or_as_two(override, sides, shown, tmp_path):
    resolved = load("emoji", overrides=[override])
    assert resolved.data.shape == (*sides, resolved.data.channels)
    file = tmp_path / "config.yaml"
    file.write_text(dump(resolved))
    assert f"\n  {shown}\n" in file.read_text()
    assert load(file=file) == resolved


def test_what_is_shown_describes_every_key():
    shown = dump(load("digits"))
    assert "  # number of batches to train on\n  steps: 1000\n" in shown
    for section in (PipelineConfig, DataConfig, TrainOptions, EmaOptions):
        for name, field in section.model_fields.items():
            words = r"\s+(# )?".join(map(re.escape, field.description.split()))
            assert re.search(rf"# {words}\n *{name}:", shown), name


def test_steps_of_the_warm_up_follow_from_all_steps_unless_they_are_set():
    def warmup(*overrides):
        return load("digits", overrides=overrides).train.warmup

    assert warmup() == 100
    assert warmup("train.steps=40") == 4
    assert warmup("train.steps=500000") == 5000
    assert warmup("train.steps=40", "train.warmup_steps=20") == 20


def test_relative_paths_belong_to_the_file_or_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "here").mkdir()
    file = Path("here/config.yaml")
    file.write_text(
        "data: {folder: images, holdout: gs://bucket/held-out}\n"
        "validation: {schema_file: ~/schema.pbtxt}\n"
        "evaluate: {features: {name: onnx:net.onnx, sha256: " + 64 * "a" + "}}\n"
    )
    resolved = load(file=file)
    assert resolved.data.folder == str(tmp_path / "here" / "images")
    assert resolved.data.holdout == "gs://bucket/held-out"
    assert resolved.validation.schema_file == "/home/me/schema.pbtxt"
    assert resolved.evaluate.features.name == f"onnx:{tmp_path / 'here' / 'net.onnx'}"
    overrides = ("data.folder=other", "evaluate.features.name=onnx:/net", "data.holdout=~/x")
    resolved = load(file=file, overrides=overrides)
    assert resolved.data.folder == str(tmp_path / "other")
    assert resolved.data.holdout == "/home/me/x"
    assert resolved.evaluate.features.name == "onnx:/net"
    monkeypatch.chdir("/")
    (tmp_path / "shown.yaml").write_text(dump(resolved))
    assert load(file=tmp_path / "shown.yaml") == resolved


@pytest.mark.parametrize("name", ["a: b # c", "{x}", "on", "1e3", "naïve 😀", "line\nbreak", "\\"])
def test_a_folder_may_have_any_name(name):
    assert load("digits", overrides=[f"data.folder={quote(name)}"]).data.folder == os.path.join(
        os.getcwd(), name
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.stepz=4", "train.stepz: unknown key; did you mean steps?"),
        ("resolution=32", "resolution: unknown key; did you mean data.resolution or"),
        ("steps=500", "steps: unknown key; did you mean train.steps or distill.steps?"),
        ("stepz=500", "stepz: unknown key; did you mean train.steps or distill.steps?"),
        ("data.steps=500", "data.steps: unknown key; did you mean train.steps or distill.steps?"),
        ("train.epochs=5", "train.epochs: unknown key; did you mean steps?"),
        ("epoch=5", "epoch: unknown key; did you mean train.steps or distill.steps?"),
        ("train.lr=1", "train.lr: unknown key; did you mean learning_rate?"),
        ("data.path=x", "data.path: unknown key; did you mean folder?"),
        ("data.image_size=8", "data.image_size: unknown key; did you mean resolution?"),
        ("schedule.cron=1", "schedule.cron: unknown key; did you mean `iadb schedule --cron`?"),
        ("evaluate.metric=kid", "evaluate.metric: unknown key; allowed here: samples, batch_size"),
        (
            "kubeflow.nodes.Trainer.cpus=2",
            "kubeflow.nodes.Trainer.cpus: unknown key; did you mean cpu?",
        ),
        (
            "kubeflow.default.tolerations=[{effects: X}]",
            "kubeflow.default.tolerations.0.effects: unknown key; did you mean effect?",
        ),
        ("foo=1", "foo: unknown key; allowed here: name, data, validation"),
        ("train.steps=many", "train.steps: got 'many'; input should be a valid integer"),
        ("train.steps=0", "train.steps: got 0; input should be greater than 0"),
        ("sample.solver=rk5", "sample.solver: got 'rk5'; input should be 'euler', 'midpoint'"),
        ("data.background=red", "data.background: got 'red'; expected a color as #RRGGBB"),
        (
            "data.background=",
            "data.background: got None; a color in YAML needs quotes, for example",
        ),
        ("data.channels=2", "data.channels: got 2; input should be 1 or 3"),
        ("model.norm_groups=7", "model: norm_groups=7 does not divide the width 32"),
        ("model.attention=[true]", "model: attention has 1 levels, but channels has 2"),
        (
            "train.accumulate=5000",
            "train: accumulate=5000 exceeds steps=1000: the weights would never change",
        ),
        (
            "train.warmup_steps=5000",
            "train: warmup_steps=5000 must be below steps=1000; null derives it from steps",
        ),
        ("data.resolution=9", "data.resolution=9 is not divisible by 2"),
        (
            "data.resolution=[10,15]",
            "data.resolution=[10, 15] is not divisible by 2, as the 2 levels of model.channels "
            "require; allowed are multiples of 2, such as [10, 14]",
        ),
        (
            "data.resolution=[8,9,3]",
            "data.resolution: got [8, 9, 3]; input should be the side of a square or [height, "
            "width], of 4 to 1024 pixels each",
        ),
        ("data.resolution=[8,true]", "data.resolution: got [8, True]; input should be the side"),
        ("data.resolution=true", "data: resolution: got True; a boolean is not allowed here"),
        ("data.fit=stretch", "data.fit: got 'stretch'; input should be 'crop' or 'pad'"),
        (
            "model.patch=3",
            "data.resolution=8 is not divisible by 6, as model.patch=3 and the 2 levels of",
        ),
        ("data.group_pattern=abc", "data.group_pattern: got 'abc'; expected one (group)"),
        ("data.pattern=../x", "data.pattern: got '../x'; expected a path below the data folder"),
        ("data.window=-1", "data.window: got -1; input should be greater than or equal to 0"),
        ("data.window=3", "data: window=3 needs a data.pattern with {SPAN} or a date"),
        ("data.span=0", "data: span=0 needs a data.pattern with {SPAN} or a date"),
        ("data.exclude=[3]", "data: exclude=(3,) needs a data.pattern"),
        ("data.exclude=3", "data.exclude: got 3; expected a list: [..., ...]"),
        (
            "evaluate.thresholds={kid@holdout: {maximum: 1}}",
            "evaluate.thresholds: a metric @holdout needs data.holdout",
        ),
        (
            "evaluate.thresholds={ssim: {max_place: 0.2}}",
            "evaluate: thresholds.ssim.max_place=0.2: results have no place between training",
        ),
        ("evaluate.limits=lax", "evaluate.limits: got 'lax'; input should be 'strict', 'default'"),
        ("data.holdout=''", "data.holdout: got ''; string should have at least 1 character"),
        ("name=../x", "name: got '../x'; string should match pattern"),
        ("train.steps=true", "train: steps: got True; a boolean is not allowed here"),
        ("train.steps=yes", "train.steps: got 'yes'; input should be a valid integer"),
        ("train.learning_rate=.inf", "train.learning_rate: got inf; input should be a finite"),
        ("data.folder=''", "data.folder: got ''; string should have at least 1 character"),
        ("sample.guidance=2", "sample.guidance=2 needs model.conditional=true"),
        ("train.label_dropout=0", "train.label_dropout: got 0; input should be greater than 0"),
        ("train.label_dropout=1", "train.label_dropout: got 1; input should be less than 1"),
        (
            "evaluate.features=vgg",
            "evaluate.features.name: got 'vgg'; must be one of auto, pixels, random_conv",
        ),
        ("evaluate.features=onnx:/m", "evaluate.features: onnx:/m requires sha256"),
        (
            "evaluate.features={name: pixels, shaw: 0}",
            "evaluate.features.shaw: unknown key; did you mean sha256?",
        ),
        ("train.steps", "--set train.steps: expected KEY=VALUE"),
        ("train..steps=1", "--set train..steps=1: expected KEY=VALUE"),
        ("train.steps=[", "--set train.steps=[: not YAML: while parsing a flow node"),
        (
            "train={steps: 1, steps: 2}",
            "--set train={steps: 1, steps: 2}: the key steps is already",
        ),
        ("train=5", "train: got 5; expected keys below it, such as steps"),
        ("evaluate.thresholds=5", "evaluate.thresholds: got 5; expected keys below it"),
        ("model.channels=32", "model.channels: got 32; expected a list: [..., ...]"),
        ("train={true: 5}", "train: got the key True; keys must be text: correct it, or put it in"),
    ],
)
def test_an_error_is_one_line_that_names_key_value_and_what_is_allowed(override, expected):
    text = message(override)
    assert text.startswith(expected)
    assert "\n" not in text


@pytest.mark.parametrize(("side", "patch", "named"), [(4, 3, 6), (4, 4, 8), (7, 3, 6), (15, 4, 8)])
def test_the_resolution_that_an_error_names_is_allowed(side, patch, named):
    patches = f"model.patch={patch}"
    assert message(patches, f"data.resolution={side}").endswith(f", such as {named}")
    load("digits", overrides=[patches, f"data.resolution={named}"])


LONG = {
    "value": ("name=" + 900_000 * "x", "name: got 'xxxxxxx"),
    "argument": ("name=" + 10_000_000 * "x", "--set name=xxxxxxx"),
    "key": (50_000 * "x" + "=1", "xxxxxxx"),
    "path": (20_000 * "a." + "a=1", "--set a.a.a."),
    "nesting": ("train.steps=" + 20_000 * "[", "--set train.steps=[[[["),
    "number": ("train.steps=" + 5000 * "9", "--set train.steps=9999"),
    "list": (f"data.exclude={[*range(9000)]}", "data: exclude=(0, 1, 2,"),
    "expression": ("data.group_pattern=" + 5000 * "(", "data.group_pattern: got '((((((("),
    "scheme": ("kubeflow.root=" + 9000 * "s" + "://", "kubeflow.root: got 'ssssss"),
}


@pytest.mark.parametrize("what", LONG)
def test_an_error_shows_the_beginning_of_a_long(what):
    override, expected = LONG[what]
    text = message(override)
    assert text.startswith(expected)
    assert "\n" not in text
    assert len(text) < 400


def test_all_invalid_keys_are_reported_at_once():
    assert len(message("train.stepz=4", "train.steps=x", "data.channels=7").splitlines()) == 3


def test_of_very_many_invalid_keys_the_first_are_reported():
    lines = message(*(f"train.x{i}=4" for i in range(500))).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 480 more errors"


def test_guidance_is_for_conditional_models():
    settings = ("model.conditional=true", "sample.guidance=2")
    assert load("digits", overrides=settings).sample.guidance == 2
    expected = "sample.guidance=2 needs model.conditional=true"
    assert message("sample.guidance=2").startswith(expected)


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(ConfigError, match="no 'mnist'; there are digits, emoji"):
        load("mnist")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"train: [", "config.yaml, line 1: not YAML: while parsing a flow node"),
        (
            b"train:\n  steps: 5\ndata: {}\ntrain:\n  seed: 1\n",
            "config.yaml, line 4: the key train is already on line 1; keep one",
        ),
        (b"train:\n  steps: 5\n  steps: 6\n", "line 3: the key steps is already on line 2"),
        (b"x" * (MAX_CHARACTERS + 1), f"config.yaml: larger than {MAX_CHARACTERS:,} bytes"),
        (b"- a\n- b\n", "expected sections with keys, found list"),
        (b"!!python/object/apply:os.system ['true']", "not YAML"),
        (b"\xff\xfe", "cannot be read: not UTF-8 text"),
    ],
)
def test_a_file_that_is_not_a_configuration_is_reported_in_one_line(tmp_path, content, expected):
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    text = message(file=file)
    assert expected in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("{SPAN}", "data.pattern"),
        ("[a]", "data.pattern"),
        ("{YYYY}/{MM}/{DD}", "config.yaml, line 2: not YAML"),
        ("[a]-{SPAN}", "config.yaml, line 2: not YAML"),
    ],
)
def test_a_pattern_without_quotes_is_an_error_that_asks_for_them(tmp_path, value, where):
    file = tmp_path / "config.yaml"
    file.write_text(f"data:\n  pattern: {value}\n  window: 3\n")
    text = message(file=file)
    assert where in text
    assert re.search(r"text that begins with { or \[ (needs quotes|in quotes)", text)
    assert "\n" not in text
    file.write_text("data:\n  window: 3: 4\n")
    assert "in quotes" not in message(file=file)


def test_a_missing_file_is_named(tmp_path):
    text = message(file=tmp_path / "no.yaml")
    assert text.endswith("no.yaml: cannot be read: No such file or directory")


def test_the_json_schema_describes_every_key():
    schema = PipelineConfig.model_json_schema()
    sections = {"PipelineConfig": schema, **schema["$defs"]}
    undescribed = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, entry in section.get("properties", {}).items()  # an enumeration has none
        if "description" not in entry
    ]
    assert undescribed == []
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("preset", presets())
def test_the_json_schema_accepts_every_preset_and_what_is_shown_of_it(preset):
    validator = jsonschema.Draft202012Validator(PipelineConfig.model_json_schema())
    written = resources.files("pipeline") / "presets" / f"{preset}.yaml"
    validator.validate(parse(written.read_text("utf-8")))
    validator.validate(parse(dump(load(preset))))


@pytest.mark.parametrize(
    ("resolution", "is_valid"),
    [(4, True), ([48, 64], True), (3, False), (1025, False), ([64], False), ([8, 3], False)],
)
def test_the_json_schema_takes_the_resolutions_that_a_file_may_have(resolution, is_valid):
    schema = PipelineConfig.model_json_schema()
    assert (
        jsonschema.Draft202012Validator(schema).is_valid({"data": {"resolution": resolution}})
        == is_valid
    )
    assert schema["$defs"]["DataConfig"]["properties"]["resolution"]["default"] == 64


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load("digits").train.steps = 5


def test_off_is_a_word_also_for_readers_of_yaml_1_1():
    off = load("digits", overrides=["drift.on_drift=off"])
    assert off.drift.on_drift == yaml.safe_load(dump(off))["drift"]["on_drift"] == "off"


def test_dumped_yaml_holds_plain_values_only():
    assert yaml.safe_load(dump(load("digits")))["model"]["channels"] == [32, 64]


@pytest.mark.parametrize("preset", ["emoji", "emoji32"])
def test_the_emoji_presets_split_by_base_code_point(preset):
    assert load(preset).data.group_pattern == emoji.GROUP_PATTERN


def test_a_metric_that_needs_more_samples_is_refused_with_the_number_that_would_do():
    settings = ("evaluate.features=random_conv", "evaluate.thresholds.frechet_distance.maximum=1")
    with pytest.raises(ConfigError) as caught:
        load("digits", overrides=(*settings, "evaluate.samples=284"))
    assert str(caught.value) == (
        "evaluate.thresholds.frechet_distance: needs evaluate.samples=285 in random_conv of 128 "
        "dimensions, got 284; set that, choose other evaluate.features, or leave the metric out "
        "with null"
    )
    load("digits", overrides=(*settings, "evaluate.samples=285"))


def test_a_metric_that_no_number_of_samples_is_enough_for_is_refused():
    settings = (
        "data.resolution=80",
        "evaluate.samples=100000",
        "evaluate.thresholds.frechet_distance.maximum=1",
    )
    with pytest.raises(ConfigError, match="cannot be computed in pixels of 6,400 dimensions"):
        load("digits", overrides=settings)


@pytest.mark.parametrize("settings", [(), ("evaluate.thresholds.frechet_distance=null",)])
def test_a_default_metric_that_needs_more_samples_is_no_error(settings):
    load(
        "digits",
        overrides=("evaluate.features=random_conv", "evaluate.samples=50", *settings),
    )


def test_a_configuration_with_sources_says_how_they_are_used():
    plain = load("digits")
    assert plain.source is None
    source = load("digits", overrides=["data.degrade=downscale 4", "model.source=map"]).source
    assert source.model_dump() == {
        "degrade": "downscale 4",
        "use": "map",
        "noise": 0.0,
        "background": plain.data.background,
        "fit": "crop",
        "paired": True,
    }


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["data.degrade=downscale"], "data.degrade: got 'downscale'; expected downscale FACTOR"),
        (
            ["data.degrade=downscale 3"],
            "data.degrade=downscale 3: does not divide data.resol",
        ),
        (["data.degrade=gray"], "data.degrade=gray needs data.channels=3"),
        (["model.source=map"], "model.source=map needs sources: set data.source or data.degrade"),
        (["data.source=x", "data.degrade=gray"], "data: source=/"),
        (
            ["data.degrade=blur 1", "model.source=map", "model.prediction=gaussian"],
            "model.prediction=gaussian needs noise as x0; with model.source=map use difference",
        ),
        (["data.source=''"], "data.source: got ''; string should have at least 1 character"),
        (["data.pairing=none"], "data: pairing=none needs source, the folder of images that are"),
        (["data.source=x", "data.pairing=none"], "data.pairing=none needs model.source=map: no s"),
        (
            ["data.source=x", "data.pairing=none", "data.holdout=y", "data.holdout_source=z"],
            "data: holdout_source must be set where source and holdout are, with pairing=name",
        ),
        (["data.source=x", "data.holdout=y"], "data: holdout_source must be set where source and"),
        (["data.holdout=y", "data.holdout_source=x"], "data: holdout_source must be set where so"),
        (["data.source=x", "data.holdout_source=y"], "data: holdout_source must be set where so"),
        (
            ["data.degrade=blur 1", "model.source_noise=0.1"],
            "model: source_noise=0.1 needs source=map",
        ),
    ],
)
def test_a_source_that_does_not_fit_is_reported_in_one_line(overrides, expected):
    found = message(*overrides)
    assert found.startswith(expected)
    assert "\n" not in found


def test_the_folder_of_the_sources_makes_pairs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(overrides=["data.source=low", "data.folder=high", "model.source=map"])
    assert config.data.source == str(tmp_path / "low")
    assert config.source.degrade is None
    assert config.source.use == "map"
    assert config.source.channels(3) == 3


def test_the_folder_of_unpaired_sources_makes_none():
    unpaired = ("data.source=low", "data.pairing=none", "model.source=map", "data.holdout=other")
    config = load(overrides=unpaired)
    assert not config.source.paired
    assert config.data.paired_source is None
    assert config.data.unpaired_source == config.data.source
    with pytest.raises(ConfigError, match=r"needs data\.source, paired by name, or data\.degrade"):
        require_runnable(load(overrides=[*unpaired, "evaluate.thresholds.psnr={minimum: 9}"]))


@pytest.mark.parametrize("key", ["source", "holdout_source"])
def test_a_workspace_inside_the_sources_is_an_error(tmp_path, key):
    folders = {"folder": "/a", "source": "/b", "holdout": "/c", "holdout_source": "/d"}
    data = DataConfig(**(folders | {key: str(tmp_path)}))
    with pytest.raises(ConfigError, match=f"data.{key}: the workspace .* is inside it"):
        require_folder(data, tmp_path / "workspace")


def test_limits_on_results_need_sources_before_a_run_and_not_before_an_evaluation():
    limit = "evaluate.thresholds={psnr: {minimum: 20}}"
    with pytest.raises(ConfigError, match=r"psnr, ssim, .* needs data\.source, paired by name"):
        require_runnable(load("digits", overrides=[limit]))
    require_runnable(load("digits", overrides=[limit, "data.degrade=mask half"]))
    require_runnable(load("digits"))


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["data.degrade=gray", "data.channels=3"], "needs a model that draws images from noise"),
        (["distill.nfe=1000000"], "distill.nfe=1000000 exceeds sample.limits.nb_step"),
        (
            ["distill.nfe=9", "sample.solver=midpoint", "sample.nb_step=4"],
            "distill.nfe=9 would make a slower student: the model itself takes 8 network",
        ),
        (["distill.steps=1"], "distill.steps"),
    ],
)
def test_a_distillation_that_cannot_be_is_rejected(overrides, problem):
    with pytest.raises(ConfigError) as error:
        load(overrides=["distill.enabled=true", *overrides])
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_a_color_on_the_command_line_needs_no_quotes():
    assert load(overrides=["data.background=#ff8000"]).data.background == "#ff8000"


def test_limits_that_no_value_keeps_are_an_error():
    with pytest.raises(ConfigError) as error:
        load(overrides=["evaluate.thresholds.kid={minimum: 5, maximum: 1}"])
    assert str(error.value).startswith(
        "evaluate.thresholds.kid: minimum=5 is above maximum=1: no value is both"
    )


def test_a_section_whose_keys_are_all_comments_is_empty(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("train:\n  # steps: 7\ndata:\n")
    assert load(file=file) == load()


NO_COPY = "--sdk_container_image=none"


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ("[--runner=FlinkRunner]", ["--runner=FlinkRunner", NO_COPY]),
        ("[--runner, FlinkRunner, --x=1]", ["--runner=FlinkRunner", "--x=1", NO_COPY]),
        ("[--direct_num_workers=4]", ["--runner=FnApiRunner", "--direct_num_workers=4", NO_COPY]),
        (
            "[--runner=DataflowRunner, --sdk_container_image=host/beam:1]",
            ["--runner=DataflowRunner", "--sdk_container_image=host/beam:1"],
        ),
    ],
)
def test_beam_runs_in_process_unless_a_runner_is_named(options, arguments):
    config = load(overrides=[f"beam.options={options}"])
    assert config.beam.arguments("Transform") == arguments


def test_tfx_packs_no_copy_of_itself_for_the_workers_of_flink_and_spark():
    from tfx.utils import dependency_utils

    for runner in ("FlinkRunner", "SparkRunner", "PortableRunner"):
        config = load(overrides=[f"beam.options=[--runner={runner}, --environment_type=EXTERNAL]"])
        arguments = config.beam.arguments("Transform")
        assert dependency_utils.make_beam_dependency_flags(arguments) == arguments


def test_a_folder_whose_name_is_no_text_is_to_be_renamed():
    with pytest.raises(ConfigError, match=r"data.folder: .*not UTF-8; rename the folder"):
        load(overrides=[f"data.folder={quote('bad' + chr(0xDCFF))}"])


@pytest.mark.parametrize("key", ["folder", "holdout"])
@pytest.mark.parametrize("given", ["s3://", "s3:///", "gs://"])
def test_a_uri_without_a_bucket_is_refused(key, given):
    with pytest.raises(ConfigError, match=rf"^data.{key}: .*; no bucket; expected \w+://bucket/f"):
        load(overrides=[f"data.{key}={given}"])


def test_slashes_at_the_end_of_a_uri_are_left_out():
    assert load(overrides=["data.folder=s3://bucket/a//"]).data.folder == "s3://bucket/a"
