"""Every block of the documentation is accepted: configurations, commands, shell, JSON, Python."""

import json
import logging
import re
import subprocess

import click
import pytest
from click.testing import CliRunner
from markdown_blocks import DOCUMENTS, PROJECT, blocks, commands

from pipeline.cli import main
from pipeline.config.pipeline_config import PipelineConfig, load
from pipeline.config.yaml_text import parse
from pipeline.logs import logging_to
from tests.programs import find_program

ERROR = "\niadb: "  # below a command, in a block that shows an error
SHELL = [block for block in blocks("sh", "") if ERROR not in block.text]
CALLS = [(block.where, call) for block in SHELL for call in commands(block.text, "iadb")]
RULES = "groups"  # the key of a file of Prometheus's rules
FILES = {"md", "yaml", "json", "sqlite"}  # suffixes, not keys
INLINE = re.compile(r"`([a-z_]+\.[a-z_.]+)(=[^`]*)?`")


def where(value):
    return getattr(value, "where", None)


@pytest.mark.parametrize("block", blocks("yaml"), ids=where)
def test_a_block_of_yaml_is_a_configuration_or_rules_of_prometheus(block, tmp_path):
    (tmp_path / "config.yaml").write_text(block.text)
    if RULES in parse(block.text):
        rules = [rule for group in parse(block.text)[RULES] for rule in group["rules"]]
        assert all({"alert", "expr"} <= rule.keys() for rule in rules)
    else:
        load(file=tmp_path / "config.yaml")


def find_command(call):
    """The command that a call is for, its context and its arguments."""
    context = click.Context(main, info_name="iadb")
    command, rest = main, call
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, command, rest = command.resolve_command(context, rest)
        context = click.Context(command, info_name=name, parent=context)
    return command, context, rest


@pytest.mark.parametrize(("place", "call"), CALLS, ids=[" ".join(call) for _, call in CALLS])
def test_a_command_exists_and_accepts_its_options(place, call):
    command, context, rest = find_command(call)
    options, arguments, _ = command.make_parser(context).parse_args(rest)
    assert not arguments, place
    for parameter in command.get_params(context):
        value = options.get(parameter.name)
        if not isinstance(value, str | tuple | list):
            assert not parameter.required or "--help" in rest, f"{place}: {parameter.name}"
        elif not isinstance(parameter.type, click.Path):  # files are those of the reader
            parameter.type_cast_value(context, value)
    if options.get("preset") or options.get("overrides"):
        load(options.get("preset"), overrides=options.get("overrides") or ())


def test_there_are_commands():
    assert len(CALLS) > 40


@pytest.mark.parametrize("block", [b for b in blocks("") if ERROR in b.text], ids=where)
def test_an_error_is_reported_as_it_is_shown(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (call,) = commands(block.text.splitlines()[0], "iadb")
    assert CliRunner().invoke(main, call).output == block.text.partition("\n")[2]


@pytest.mark.parametrize("block", blocks("sh"), ids=where)
def test_a_block_of_shell_has_no_syntax_errors(block):
    checked = subprocess.run(["bash", "-n"], input=block.text, text=True, stderr=subprocess.PIPE)
    assert checked.returncode == 0, checked.stderr
    targets = (PROJECT / "Makefile").read_text("utf-8")
    for call in commands(block.text, "make"):
        for target in call:
            assert "=" in target or re.search(rf"^{re.escape(target)}:", targets, re.M), target


@pytest.mark.parametrize("block", blocks("json"), ids=where)
def test_a_block_of_json_is_json(block):
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("python"), ids=where)
def test_a_block_of_python_has_no_syntax_errors(block):
    compile(block.text, block.where, "exec")


def test_the_lines_for_jq_print_why_a_run_failed(tmp_path):
    find_program("jq", "jq")
    logs = tmp_path / "workspace" / "logs"
    logs.mkdir(parents=True)
    with logging_to(logs / "1.log", verbose=False, events=logs / "1.jsonl"):
        logging.warning("slow")
        logging.error("The run failed: the disk is full")
    lines = [line for block in SHELL for line in block.text.splitlines() if line.startswith("jq ")]
    assert lines
    for line in lines:
        printed = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert printed.stdout == "The run failed: the disk is full\n"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_keys_in_the_text_exist(document):
    for key, _ in INLINE.findall(document.read_text("utf-8")):
        section, *names = key.rstrip(".").split(".")
        model = PipelineConfig.model_fields.get(section)
        if model is None or names[0] in FILES:
            continue
        annotation = model.annotation
        for name in names:
            fields = getattr(annotation, "model_fields", None)
            if fields is None:  # the keys of a mapping
                break
            assert name in fields, key
            annotation = fields[name].annotation
