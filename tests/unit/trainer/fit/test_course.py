import pytest

from trainer.fit.course import on_images
from trainer.source.options import Source


@pytest.mark.parametrize(
    ("source", "zero"),
    [
        (None, "between 1 and 2"),
        (Source(degrade="gray"), "between 1 and 2"),
        (Source(degrade=None, use="map"), "the mean square of image minus source"),
    ],
)
def test_the_loss_of_no_prediction_depends_on_what_x0_is(source, zero):
    assert on_images(source).about_loss.startswith(f"loss: {zero} for a network that predicts 0; ")
