import copy

import pytest
from apache_beam.options.pipeline_options import DirectOptions, TypeOptions

from components.beam_options import BeamOptions, refusal


def test_a_view_is_parsed_once_and_shows_later_changes():
    options = BeamOptions(["--direct_num_workers=3", "--runtime_type_check"])
    view = options.view_as(DirectOptions)
    assert view.direct_num_workers == 3
    assert options.view_as(TypeOptions).runtime_type_check
    view.direct_num_workers = 2
    assert options.view_as(DirectOptions) is view
    assert options.view_as(TypeOptions).view_as(DirectOptions).direct_num_workers == 2


def test_a_copy_is_independent():
    options = BeamOptions(["--direct_num_workers=3"])
    options.view_as(DirectOptions)
    copied = copy.deepcopy(options)
    copied.view_as(DirectOptions).direct_num_workers = 2
    assert copied.get_all_options()["direct_num_workers"] == 2
    assert options.view_as(DirectOptions).direct_num_workers == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--runner=FnApiRunner", "--direct_num_workers=2"], ""),
        (["--runner=PortableRunner", "--job_endpoint=host:1"], ""),
        (["--runner=apache_beam.runners.Nope"], "module 'apache_beam.runners' has no attribute"),
        (["--runner=FlinkRuner"], "Unexpected pipeline runner: FlinkRuner."),
        (["--direct_num_workers=two"], "argument --direct_num_workers: invalid int value: 'two'"),
    ],
)
def test_what_beam_would_refuse_when_a_node_starts_is_said_before(arguments, reason, capsys):
    said = refusal(tuple(arguments))
    assert said.startswith(reason) and bool(said) == bool(reason) and "\n" not in said
    assert capsys.readouterr() == ("", "")
