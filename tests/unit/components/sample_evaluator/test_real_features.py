"""RealFeatures describes what evaluations need: for metrics, and for the search of copies."""

import numpy as np
import pytest
from evaluator_data import describe, open_png, serialize, write_examples

from components.features import load_extractor
from components.features.options import SEARCH_SPACE, FeatureOptions
from components.features.pixels import pixels
from components.images.described import read_blocks, read_image_set
from components.images.image_set import join
from components.images.records import example_key
from components.real_features import component, names
from components.real_features.artifact import search_folder, split_file
from components.real_features.options import RealFeaturesOptions
from trainer import examples
from trainer.common.image_grid import image_grid

TRAINING, HELD_OUT = 60, 25  # images


@pytest.mark.parametrize(
    ("samples", "described"),
    [
        (10, 20),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in ((30, 30), (100, TRAINING))),
    ],
)
def test_all_training_images_can_be_searched_and_some_compared(
    digits, transform_graph, tmp_path, monkeypatch, samples, described
):
    monkeypatch.setattr(component, "TRAINING_IMAGES", 20)
    parts = np.split(digits[: TRAINING + 2 * HELD_OUT], [TRAINING, TRAINING + HELD_OUT])
    splits = dict(zip((examples.TRAIN, examples.EVAL, examples.HOLDOUT), parts, strict=True))
    folder = write_examples(tmp_path / "examples", splits, shards=2)
    output = str(tmp_path / "features")
    options = RealFeaturesOptions(samples=samples, features=FeatureOptions(name="pixels"))
    describe(folder, transform_graph, output, options)
    search = load_extractor(SEARCH_SPACE)

    for split, limit in {
        examples.TRAIN: described,
        examples.EVAL: min(samples, HELD_OUT),
        examples.HOLDOUT: min(samples, HELD_OUT),
    }.items():
        images = {example_key(serialize(image)): image for image in splits[split]}
        found = read_image_set(split_file(output, split))
        assert found.keys == sorted(images)[:limit]
        shown = np.stack([images[key] for key in found.keys])
        np.testing.assert_array_equal(found.vectors, pixels(shown))
        views = found.views.swapaxes(0, 1)
        if split == examples.EVAL:
            grid = image_grid(shown).squeeze()
            np.testing.assert_array_equal(open_png(f"{output}/{names.REAL_PNG}"), grid)
            mirrored = search(shown[:, :, ::-1])
            # In batches of another size, some processors round differently.
            np.testing.assert_allclose(views, [search(shown), mirrored], rtol=1e-4, atol=1e-6)
        else:
            assert views.size == 0
    images = {example_key(serialize(image)): image for image in splits[examples.TRAIN]}
    found = join(read_blocks(search_folder(output)))
    assert found.keys == sorted(images)
    vectors = search(np.stack([images[key] for key in found.keys]))
    np.testing.assert_allclose(found.vectors, vectors, rtol=1e-4, atol=1e-5)
