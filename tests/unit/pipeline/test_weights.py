import pytest

from pipeline.weights import count_weights
from trainer.networks.unet import PUBLISHED, build_unet
from trainer.options import ModelOptions


def test_the_published_network_has_as_many_weights_as_published():
    assert count_weights(PUBLISHED, 3) == 113_673_219


@pytest.mark.parametrize(
    ("nb_class", "patch", "prediction", "source_channels", "time_embedding"),
    [
        (3, 2, "difference", 0, "add"),
        (0, 1, "gaussian", 0, "scale_shift"),
        (3, 2, "gaussian", 4, "add"),
    ],
)
def test_the_weights_of_a_network_are_those_that_it_is_built_with(
    nb_class, patch, prediction, source_channels, time_embedding
):
    options = ModelOptions(
        channels=(8, 16, 8),
        attention=(False, True, True),
        attention_head_dim=4,
        norm_groups=4,
        blocks=1,
        patch=patch,
        prediction=prediction,
        time_embedding=time_embedding,
        conditional=nb_class > 0,
    )
    inputs = {"nb_class": nb_class, "source_channels": source_channels}
    built = build_unet(options, (8, 8, 3), **inputs).count_params()
    assert count_weights(options, 3, nb_class, source_channels) == built
