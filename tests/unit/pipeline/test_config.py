import pytest
import yaml

from data import emoji
from pipeline import config
from pipeline.config import ConfigError, load


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
    assert resolved.data.resolution == 8


@pytest.mark.parametrize("preset", config.presets())
def test_every_preset_is_valid(preset):
    assert load(preset).name == preset.replace("_", "-")


def test_what_is_shown_loads_to_the_same_configuration(tmp_path):
    file = tmp_path / "config.yaml"
    resolved = load("emoji", overrides=["beam.components.Transform=[--runner=X]"])
    file.write_text(config.dump(resolved))
    assert load(file=file) == resolved


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.stepz=4", "train.stepz: unknown key; did you mean steps?"),
        ("foo=1", "foo: unknown key; allowed here: name, data, validation"),
        ("train.steps=many", "train.steps: got 'many'; input should be a valid integer"),
        ("train.steps=0", "train.steps: got 0; input should be greater than 0"),
        ("sample.solver=rk5", "sample.solver: got 'rk5'; input should be 'euler', 'midpoint'"),
        ("data.background=red", "data.background: got 'red'; expected a color as #RRGGBB"),
        ("data.channels=2", "data.channels: got 2; input should be 1 or 3"),
        ("model.norm_groups=7", "model: norm_groups=7 does not divide the width 32"),
        ("model.attention=[true]", "model: attention has 1 levels, but channels has 2"),
        ("train.warmup_steps=5000", "train: warmup_steps=5000 must be below steps=1000"),
        ("data.resolution=9", "data.resolution=9 is not divisible by 2"),
        ("data.group_pattern=abc", "data.group_pattern: got 'abc'; expected one (group)"),
        ("data.pattern=../x", "data.pattern: got '../x'; expected a path below the data folder"),
        ("data.window=-1", "data.window: got -1; input should be greater than or equal to 0"),
        ("data.window=3", "data: window=3 needs a data.pattern with {SPAN} or a date"),
        ("data.span=0", "data: span=0 needs a data.pattern with {SPAN} or a date"),
        ("data.exclude=[3]", "data: exclude=(3,) needs a data.pattern"),
        ("data.exclude=3", "data.exclude: got 3; input should be a valid tuple"),
        ("data.older_share=0", "data.older_share: got 0; input should be greater than 0"),
        (
            "evaluate.thresholds={kid@holdout: {maximum: 1}}",
            "evaluate.thresholds: a metric @holdout needs data.holdout",
        ),
        ("data.holdout=''", "data.holdout: got ''; string should have at least 1 character"),
        ("name=../x", "name: got '../x'; string should match pattern"),
        ("train.steps=yes", "train: steps: got True; a boolean is not allowed here"),
        ("train.learning_rate=.inf", "train.learning_rate: got inf; input should be a finite"),
        ("data.folder=''", "data.folder: got ''; string should have at least 1 character"),
        ("train.weight_decay=0.1", "train: weight_decay=0.1 requires optimizer=adamw, got adam"),
        ("sample.guidance=2", "sample.guidance=2 needs model.conditional=true"),
        ("train.label_dropout=0", "train.label_dropout: got 0; input should be greater than 0"),
        ("train.label_dropout=1", "train.label_dropout: got 1; input should be less than 1"),
        (
            "evaluate.features=vgg",
            "evaluate.features.name: got 'vgg'; must be one of pixels, random_conv",
        ),
        (
            "evaluate.features=keras:VGG61",
            "evaluate.features.name: got 'keras:VGG61'; no such network",
        ),
        ("evaluate.features=onnx:m", "evaluate.features: onnx:m requires sha256"),
        (
            "evaluate.features={name: pixels, shaw: 0}",
            "evaluate.features.shaw: unknown key; did you mean sha256?",
        ),
        ("train.steps", "--set train.steps: expected KEY=VALUE"),
        ("train..steps=1", "--set train..steps=1: expected KEY=VALUE"),
        ("train.steps=[", "--set train.steps=[: the value is not YAML"),
        ("train=5", "train: got 5; input should be a valid"),
    ],
)
def test_an_error_is_one_line_that_names_key_value_and_what_is_allowed(override, expected):
    text = message(override)
    assert text.startswith(expected)
    assert "\n" not in text


def test_all_invalid_keys_are_reported_at_once():
    assert len(message("train.stepz=4", "train.steps=x", "data.channels=7").splitlines()) == 3


def test_guidance_is_for_conditional_models():
    settings = ("model.conditional=true", "sample.guidance=2")
    assert load("digits", overrides=settings).sample.guidance == 2
    expected = "sample.guidance=2 needs model.conditional=true"
    assert message("sample.guidance=2").startswith(expected)


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(ConfigError, match="no 'mnist'; there are celeba64, digits"):
        load("mnist")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"train: [", "not YAML"),
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


def test_a_missing_file_is_named(tmp_path):
    text = message(file=tmp_path / "no.yaml")
    assert text.endswith("no.yaml: cannot be read: No such file or directory")


def test_the_json_schema_describes_every_key():
    schema = config.PipelineConfig.model_json_schema()
    sections = {"PipelineConfig": schema, **schema["$defs"]}
    undescribed = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, entry in section.get("properties", {}).items()  # an enumeration has none
        if "description" not in entry
    ]
    assert undescribed == []
    assert schema["additionalProperties"] is False


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load("digits").train.steps = 5


def test_off_is_a_word_even_where_yaml_takes_it_for_false():
    off = load("digits", overrides=["drift.on_drift=off"])
    assert off.drift.on_drift == yaml.safe_load(config.dump(off))["drift"]["on_drift"] == "off"


def test_dumped_yaml_holds_plain_values_only():
    assert yaml.safe_load(config.dump(load("digits")))["model"]["channels"] == [32, 64]


def test_the_emoji_preset_splits_by_base_code_point():
    assert load("emoji").data.group_pattern == emoji.GROUP_PATTERN
