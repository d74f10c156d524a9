import pytest
from pydantic import ValidationError

from trainer.source.options import Degradation, Source, parse


@pytest.mark.parametrize(
    ("text", "parsed", "written"),
    [
        ("downscale 4", ("downscale", 4), "downscale 4"),
        ("  mask   box ", ("mask", "box"), "mask box"),
        ("mask strokes", ("mask", "strokes"), "mask strokes"),
        ("gray", ("gray", 0), "gray"),
        ("blur 2.50", ("blur", 2.5), "blur 2.5"),
        ("jpeg 020", ("jpeg", 20), "jpeg 20"),
    ],
)
def test_a_degradation_is_parsed_and_written_in_one_form(text, parsed, written):
    assert parse(text) == Degradation(*parsed)
    assert Source(degrade=text).degrade == written


@pytest.mark.parametrize(
    "text",
    ["", "gray 2", "grey", "downscale", "downscale 1", "downscale 65", "downscale 2.5", "mask",
     "mask circle", "blur", "blur 0", "blur 1e1", "blur -1", "blur nan", "blur .", "jpeg 0",
     "jpeg 96", "downscale ٤", "downscale 4 4"],
)  # fmt: skip
def test_anything_else_is_reported_with_what_is_allowed(text):
    with pytest.raises(ValueError, match=r"expected downscale FACTOR .* for example downscale 4"):
        parse(text)
    with pytest.raises(ValidationError):
        Source(degrade=text)


def test_a_mask_adds_a_channel_that_only_a_conditioned_network_sees():
    assert Source(degrade="gray").channels(3) == 3
    assert Source(degrade="mask box").channels(3) == 4
    assert Source(degrade="mask box").seen_channels(3) == 4
    assert Source(degrade="mask box", use="map").seen_channels(3) == 0


def test_a_map_without_noise_needs_no_seed():
    assert Source(degrade="gray").draws_noise
    assert Source(degrade="gray", use="map", noise=0.1).draws_noise
    assert not Source(degrade="gray", use="map").draws_noise
