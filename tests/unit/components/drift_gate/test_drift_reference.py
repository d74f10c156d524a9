import pytest
from tfx.types.standard_artifacts import Examples

from components.drift_gate.component import DriftVerdict, LatestVerdictOnEarlierDataStrategy


def examples(number, span):
    found = Examples()
    found.id = number
    found.set_int_custom_property("span", span)
    return found


def verdict(number, on, space=""):
    found = DriftVerdict()
    if space:
        found.set_string_custom_property("space", space)
    found.id = number
    found.set_int_custom_property("span", on.get_int_custom_property("span"))
    found.set_int_custom_property("examples", on.id)
    return found


def resolve(current, *verdicts):
    inputs = {"verdict": list(verdicts), "examples": [current]}
    result = LatestVerdictOnEarlierDataStrategy("32x32x3").resolve_artifacts(None, inputs)
    assert result["examples"] == [current]
    return [found.id for found in result["verdict"]]


def test_the_first_data_have_no_reference():
    assert resolve(examples(1, 3)) == []


def test_the_verdict_on_the_newest_earlier_span_is_the_reference():
    first, second, third = examples(1, 3), examples(2, 4), examples(3, 7)
    assert resolve(third, verdict(11, first), verdict(12, second)) == [12]


def test_a_repeated_run_meets_the_reference_that_the_first_one_met():
    first, second = examples(1, 3), examples(2, 4)
    assert resolve(second, verdict(11, first), verdict(12, second)) == [11]


def test_a_span_that_was_read_anew_is_not_compared_with_itself():
    first, second, again = examples(1, 3), examples(2, 4), examples(3, 4)
    assert resolve(again, verdict(11, first), verdict(12, second)) == [11]


def test_a_run_on_an_old_span_changes_no_later_reference():
    first, second, old = examples(1, 3), examples(2, 4), examples(3, 3)
    assert resolve(examples(4, 5), *map(verdict, (11, 12, 13), (first, second, old))) == [12]


def test_images_of_another_size_do_not_hide_the_reference_of_this_one():
    first = verdict(11, examples(1, 3), "32x32x3")
    larger = verdict(12, examples(2, 4), "64x64x3")
    assert resolve(examples(3, 5), first, larger) == [11]
    assert resolve(examples(3, 5), larger) == [12]  # reports that it cannot be compared


def test_verdicts_without_images_yet_are_references():
    assert resolve(examples(3, 5), verdict(11, examples(1, 3)), verdict(12, examples(2, 4))) == [12]


def test_after_spans_end_the_verdicts_without_spans_are_the_references():
    spanned = verdict(11, examples(1, 20_000))
    assert resolve(examples(2, 0), spanned) == [11]
    assert resolve(examples(3, 0), spanned, verdict(12, examples(2, 0))) == [12]


@pytest.mark.parametrize(("current", "expected"), [(1, [12]), (2, [11]), (3, [12])])
def test_without_spans_the_latest_verdict_on_other_examples_is_the_reference(current, expected):
    verdicts = verdict(11, examples(1, 0)), verdict(12, examples(2, 0))
    assert resolve(examples(current, 0), *verdicts) == expected
