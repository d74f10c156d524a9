"""Each picture of an evaluation shows the images that it should, in their order."""

import dataclasses

import numpy as np
import pytest
from evaluator_data import (
    mark_of,
    open_png,
    serialize,
    write_examples,
    write_model,
    write_network_model,
)
from image_sets import image_set

from components.images.image_set import Images
from components.images.records import example_key, load_decoder
from components.metrics.kinds import MAX_EXAMPLES
from components.metrics.pair_scores import PairScores
from components.sample_evaluator import pictures
from components.sample_evaluator.samples.draw import seed_key
from components.sample_evaluator.samples.sampler import LoadedSampler
from components.sample_evaluator.samples.translations import Sources
from trainer.common import xmp
from trainer.common.image_grid import GAP_GRAY, image_grid

LABELS = ["cat", "dog"]


@pytest.fixture
def decode(transform_graph):
    return load_decoder(transform_graph)


def drawn(pixels):
    return Images([seed_key(i) for i in range(len(pixels))], [""] * len(pixels), pixels)


def found(samples, distances, nearest=(), mirrored=None):
    """What is known of samples and their nearest training images."""
    count = len(samples)
    return image_set(
        np.zeros((count, 1)),
        digests=np.array([image.tobytes() for image in samples.pixels]),
        distances=np.array(distances, float),
        mirrored=np.array(mirrored or [False] * count),
        nearest=nearest,
    )


def shows(path, images, columns=None):
    np.testing.assert_array_equal(open_png(path), image_grid(np.stack(images), columns).squeeze())


@pytest.mark.parametrize("mark", [xmp.packet("0123"), ""])
def test_the_first_samples_are_shown_with_their_mark(digits, tmp_path, mark):
    pictures.write_samples(drawn(digits[:150]), str(tmp_path), mark)
    shows(tmp_path / "samples.png", digits[:100])
    assert mark_of(tmp_path / "samples.png") == mark


def test_the_nearest_pairs_are_shown_the_nearest_first_and_each_once(digits, tmp_path, decode):
    folder = write_examples(tmp_path / "examples", {"train": digits[100:150]}, shards=3)
    training = [example_key(serialize(digit)) for digit in digits[100:150]]
    samples = drawn(digits[[*range(20), 4, 4]])
    order = np.random.default_rng(0).permutation(20)
    distances = [*order, order[4], order[4]]
    mirrored = [i % 2 for i in range(22)]
    nearest = [training[i] for i in range(20)] + [training[4]] * 2
    pictures.write_nearest_pairs(
        samples,
        found(samples, distances, nearest, mirrored),
        f"{folder}/Split-train",
        decode,
        str(tmp_path),
    )
    first = np.argsort(order)[: pictures.NEAREST]
    beside = [digits[100 + i, :, ::-1] if i % 2 else digits[100 + i] for i in first]
    shows(tmp_path / "nearest_pairs.png", [*digits[first], *beside], pictures.NEAREST)


@pytest.mark.parametrize("count", [50, 5])
def test_the_worst_samples_are_shown_the_farthest_first_and_each_once(digits, tmp_path, count):
    distances = np.random.default_rng(0).random(count)
    farthest = distances.argsort()[::-1]
    samples = drawn(digits[[*range(count), farthest[0]]])
    known = found(samples, [*distances, distances[farthest[0]]], [b"training"] * (count + 1))
    pictures.write_worst_samples(samples, known, str(tmp_path))
    shown = digits[farthest[: pictures.WORST]]
    shows(tmp_path / "worst_samples.png", shown, pictures.WORST_COLUMNS)


def test_without_training_images_no_samples_are_near_or_far(digits, tmp_path, decode):
    samples = drawn(digits[:3])
    known = found(samples, [np.nan] * 3)
    pictures.write_nearest_pairs(samples, known, "", decode, str(tmp_path))
    pictures.write_worst_samples(samples, known, str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("nb_step", "steps"), [(3, [0, 1, 2, 3]), (20, [0, 2, 5, 8, 10, 12, 15, 18, 20])]
)
def test_a_row_leads_from_noise_to_the_sample_of_its_seed_and_label(tmp_path, nb_step, steps):
    folder = write_network_model(tmp_path / "model", LABELS, nb_step)
    sampler = LoadedSampler(f"{folder}/Format-Serving")
    labels = ["dog", "cat", "", "dog", "cat", "", "dog", "cat"]
    pictures.write_trajectories(sampler, 5, labels, str(tmp_path))
    states = sampler.trajectory(np.arange(5, 11), labels[:6])
    shows(
        tmp_path / "trajectories.png", states[:, steps].reshape(-1, *states.shape[2:]), len(steps)
    )
    assert xmp.SOURCE_TYPE in mark_of(tmp_path / "trajectories.png")


def test_a_model_without_a_trajectory_has_no_picture_of_one(tmp_path, digits):
    folder = write_model(tmp_path / "model", digits[:2])
    sampler = LoadedSampler(f"{folder}/Format-Serving")
    pictures.write_trajectories(sampler, 0, ["", ""], str(tmp_path))
    assert not (tmp_path / "trajectories.png").exists()


def test_each_missing_kind_has_a_row_in_the_order_of_its_examples(digits, tmp_path, decode):
    folder = write_examples(tmp_path / "examples", {"eval": digits[:60]}, shards=2)
    rows = [[5, 3, 8], range(20, 20 + MAX_EXAMPLES), *([i] for i in range(pictures.KINDS))]
    keys = [[example_key(serialize(digits[i])) for i in row] for row in rows]
    pictures.write_missing_kinds(keys, f"{folder}/Split-eval", decode, str(tmp_path))
    empty = np.full_like(digits[0], GAP_GRAY)
    shown = []
    for row in rows[: pictures.KINDS]:
        shown += [*digits[list(row)], *[empty] * (MAX_EXAMPLES - len(row))]
    shows(tmp_path / "missing_kinds.png", shown, MAX_EXAMPLES)


def test_without_a_missing_kind_there_is_no_picture(tmp_path, decode):
    pictures.write_missing_kinds([], "", decode, str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_results_are_shown_from_best_to_worst_between_their_sources_and_images(digits, tmp_path):
    results, order = drawn(digits[:40]), np.random.default_rng(0).permutation(40)
    scores = PairScores(*[-order[:, None].astype(np.float32)] * 3)
    results = dataclasses.replace(results, scores=scores)
    masked = np.concatenate([digits[100:140], digits[200:240]], axis=-1)
    given = Sources([""] * 40, masked, digits[300:340])
    pictures.write_pairs(results, given, str(tmp_path), "mark")
    ranked = np.argsort(order)
    rows = ranked[[0, 1, 2, 18, 19, 20, 37, 38, 39]]
    shown = [digits[[100 + i, i, 300 + i]] for i in rows]
    shows(tmp_path / "pairs.png", np.concatenate(shown), 9)
    assert mark_of(tmp_path / "pairs.png") == "mark"


def test_results_for_unpaired_sources_are_shown_by_their_seeds(digits, tmp_path):
    given = Sources([""] * 4, digits[100:104], None)
    pictures.write_pairs(drawn(digits[:4]), given, str(tmp_path), "")
    shows(tmp_path / "pairs.png", np.concatenate([digits[[100 + i, i]] for i in (0, 1, 3)]), 2)


@pytest.mark.parametrize("paired", [True, False])
def test_several_answers_are_shown_beside_their_source(digits, tmp_path, paired):
    answers = digits[:24].reshape(8, 3, *digits.shape[1:])
    given = Sources([""] * 8, digits[100:108], digits[200:208] if paired else None)
    pictures.write_answers(answers, given, str(tmp_path), "mark")
    parts = [digits[100:106, None], answers[:6]] + [digits[200:206, None]] * paired
    shows(tmp_path / "answers.png", np.concatenate(np.concatenate(parts, axis=1)), 4 + paired)
    assert mark_of(tmp_path / "answers.png") == "mark"


def test_a_single_answer_has_no_picture(digits, tmp_path):
    given = Sources([""] * 8, digits[:8], None)
    pictures.write_answers(digits[:8, None], given, str(tmp_path), "")
    assert not list(tmp_path.iterdir())
