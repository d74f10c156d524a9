import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf

from components.image_example_gen.example import image_example, pixel_hash
from components.pair_gen import pairs
from components.pair_gen.options import PairOptions
from components.pair_gen.pairs import (
    FIRST_SEED,
    HELD_OUT,
    Chunk,
    choose_label,
    chunks_of,
    draw_pairs,
)
from components.sample_evaluator.samples.sampler import SamplerError, load_sampler
from tests.exported_models import SHAPE, write_sampler
from trainer import examples
from trainer.common.files import sync
from trainer.common.progress import listening
from trainer.light.mark import Mark
from trainer.light.sampler import to_uint8
from trainer.names import METADATA


@pytest.fixture(scope="module")
def sampler(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampler") / "model"
    write_sampler(folder)
    return str(folder)


@pytest.fixture(scope="module", autouse=True)
def small_chunks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "CHUNK", 8)
        patch.setattr(pairs, "HELD_OUT", 4)
        yield


@pytest.fixture(scope="module")
def drawn(sampler, small_chunks, tmp_path_factory):
    """A folder of 20 pairs to train on, and how each chunk was written."""
    folder, synced = tmp_path_factory.mktemp("drawn"), []

    def watched(path):
        synced.append((path.parent, path.stat().st_size > 0, len(list(folder.glob("*.gz")))))
        sync(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "sync", watched)
        draw(sampler, folder)
    return folder, synced


def options(folder, count=20, unlabeled=0.0, segments=1):
    return PairOptions(
        pairs=count, segments=segments, unlabeled=unlabeled, batch_size=3, folder=str(folder)
    )


def draw(model, folder, labeled=(), **given):
    draw_pairs(beam.Pipeline(), model, options(folder, **given), str(folder), labeled)


def read(folder):
    """By split, the features of all pairs."""
    found = {examples.TRAIN: [], examples.EVAL: []}
    for path in sorted(Path(folder).glob("*.gz")):
        for record in tf.data.TFRecordDataset(str(path), compression_type="GZIP"):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            found[path.name.partition("-")[0]].append(feature)
    return found


def seeds(features):
    return [each[examples.SEED].int64_list.value[0] for each in features]


def test_each_seed_has_the_image_that_the_model_serves_for_it(sampler, drawn):
    found = read(drawn[0])
    assert seeds(found[examples.EVAL]) == list(range(FIRST_SEED, FIRST_SEED + 4))
    assert sorted(seeds(found[examples.TRAIN])) == list(range(FIRST_SEED + 4, FIRST_SEED + 24))
    served = load_sampler(sampler)
    for feature in found[examples.TRAIN]:
        png = feature[examples.IMAGE].bytes_list.value[0]
        expected = served.sample(np.array(seeds([feature])), [""])[0]
        np.testing.assert_array_equal(tf.io.decode_png(png), expected)
        assert feature[examples.LABEL].bytes_list.value == [b""]


def test_pairs_have_all_features_of_examples(drawn):
    ours = read(drawn[0])[examples.TRAIN][0]
    pixels = np.zeros(SHAPE, np.uint8)
    stored = image_example(pixels, pixel_hash(pixels), label="", path="a.png").features.feature
    assert ours.keys() - stored.keys() == {examples.SEED}
    assert stored.keys() <= ours.keys()


SAMPLES = {
    "default": {},
    "heun": {"solver": "heun", "grid": "late"},
    "bosh3": {"solver": "bosh3", "nb_step": 3},
}


@pytest.fixture(scope="module")
def write_marked(tmp_path_factory):
    """Writes a marked model of 3 steps, once; returns its folder and what it serves."""

    @functools.cache
    def write(name):
        folder = str(tmp_path_factory.mktemp("marked") / "model")
        write_sampler(folder, mark=Mark(key=3), **SAMPLES[name])
        return folder, tf.saved_model.load(folder)

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "segments", "nb_step"),
    [("default", 3, 3), ("default", 2, 4), ("heun", 2, 4), ("bosh3", 3, 3)],
)
def test_each_pair_has_the_states_between_the_segments_of_its_path(
    tmp_path, write_marked, name, segments, nb_step
):
    sampler, model = write_marked(name)
    draw(sampler, tmp_path / "pairs", segments=segments, count=5)
    served = model.signatures["trajectory"]
    for feature in read(tmp_path / "pairs")[examples.TRAIN]:
        states = np.frombuffer(feature[examples.STATES].bytes_list.value[0], "<f2")
        states = states.astype(np.float32).reshape(segments - 1, *SHAPE)
        path = served(seed=tf.constant(seeds([feature])), nb_step=tf.constant(nb_step))
        expected = path["trajectory"][0, :: nb_step // segments].numpy().astype(int)
        np.testing.assert_allclose(to_uint8(states).astype(int), expected[1:-1], atol=1)
        image = tf.io.decode_png(feature[examples.IMAGE].bytes_list.value[0]).numpy().astype(int)
        np.testing.assert_allclose(image, expected[-1], atol=1)
        assert np.abs(states).max() > 1  # which images cannot hold


def test_a_model_of_an_earlier_version_is_reported(sampler, tmp_path):
    shutil.copytree(sampler, tmp_path / "old")
    about = tmp_path / "old" / METADATA
    metadata = json.loads(about.read_text())
    del metadata["config"]
    about.write_text(json.dumps(metadata))
    with pytest.raises(SamplerError, match="is of an earlier version, which draws no pairs"):
        draw(str(tmp_path / "old"), tmp_path / "pairs")


@pytest.mark.parametrize("kept", [None, 0, 40])
def test_a_second_run_draws_only_what_is_missing_or_damaged_and_gets_the_same_bytes(
    sampler, drawn, tmp_path, kept
):
    folder = shutil.copytree(drawn[0], tmp_path / "pairs")
    first = {path.name: path.read_bytes() for path in folder.glob("*.gz")}
    lost = folder / Chunk(examples.TRAIN, FIRST_SEED + 4, 8).file
    if kept is None:
        lost.unlink()
    else:
        os.truncate(lost, kept)
    reports = []
    with listening(reports.append):
        draw(sampler, folder)
    assert sum(each.done for each in reports) == sum(each.expected for each in reports) == 8
    assert {path.name: path.read_bytes() for path in folder.glob("*.gz")} == first


def test_a_chunk_is_on_disk_before_it_has_its_name(drawn):
    folder, synced = drawn
    assert synced == [(folder, True, count) for count in range(4)]


def test_chunks_cover_all_seeds_once():
    chunks = chunks_of(2 * pairs.CHUNK + 1)
    covered = [seed for c in chunks for seed in range(c.first, c.first + c.count)]
    assert covered == list(range(FIRST_SEED, FIRST_SEED + pairs.HELD_OUT + 2 * pairs.CHUNK + 1))
    assert len({chunk.file for chunk in chunks}) == len(chunks)
    assert chunks_of(1)[-1].count == 1


def test_no_evaluation_draws_the_seeds_of_pairs():
    assert FIRST_SEED >= 2**31 + 10**6 and HELD_OUT > 0


def write_examples(folder, labels):
    with tf.io.TFRecordWriter(f"{folder}/data.gz", "GZIP") as writer:
        for i, label in enumerate(labels):
            pixels = np.full(SHAPE, i, np.uint8)
            example = image_example(pixels, pixel_hash(pixels), label=label, path=f"{i}.png")
            writer.write(example.SerializeToString())


@pytest.mark.slow
def test_a_guided_model_draws_the_labels_of_the_data_with_its_guidance(tmp_path):
    how = {"labels": ("cat", "dog"), "guidance": 2.0, "autoguidance": 1.5, "solver": "midpoint"}
    write_sampler(tmp_path / "model", **how)
    (tmp_path / "data").mkdir()
    write_examples(tmp_path / "data", ["dog"] * 6)
    draw(str(tmp_path / "model"), tmp_path / "all", [str(tmp_path / "data")], unlabeled=0.5)
    found = read(tmp_path / "all")[examples.TRAIN]
    labels = Counter(each[examples.LABEL].bytes_list.value[0] for each in found)
    assert set(labels) == {b"", b"dog"}
    served = load_sampler(str(tmp_path / "model"))
    for feature in found[:6]:
        label = feature[examples.LABEL].bytes_list.value[0].decode()
        expected = served.sample(np.array(seeds([feature])), [label])[0].astype(int)
        png = tf.io.decode_png(feature[examples.IMAGE].bytes_list.value[0]).numpy().astype(int)
        np.testing.assert_allclose(png, expected, atol=1)


def test_labels_occur_in_proportion_and_depend_on_the_seed_alone():
    counts = [("cat", 1), ("dog", 3)]
    chosen = [choose_label(seed, counts, 0.2) for seed in range(4000)]
    shares = Counter(chosen)
    assert shares[""] / 4000 == pytest.approx(0.2, abs=0.03)
    assert shares["dog"] / (shares["dog"] + shares["cat"]) == pytest.approx(0.75, abs=0.03)
    assert chosen == [choose_label(seed, counts, 0.2) for seed in range(4000)]
    assert choose_label(5, [], 0.0) == ""


def test_a_model_that_is_missing_is_reported(tmp_path):
    with pytest.raises(SamplerError, match="no such folder"):
        draw(str(tmp_path / "none"), tmp_path / "pairs")


KILLED = """
import sys
import apache_beam as beam
from components.pair_gen import pairs
from components.pair_gen.options import PairOptions
pairs.CHUNK, pairs.HELD_OUT = 8, 4
model, folder = sys.argv[1:]
options = PairOptions(pairs=40_000, segments=1, unlabeled=0.0, batch_size=3, folder=folder)
pairs.draw_pairs(beam.Pipeline(), model, options, folder)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_keeps_the_chunks_that_it_has_drawn(sampler, tmp_path):
    folder = tmp_path / "pairs"
    program = [sys.executable, "-c", KILLED, sampler, str(folder)]
    process = subprocess.Popen(program, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    try:
        deadline = time.monotonic() + 300
        while len(list(folder.glob("*.gz"))) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.gz")}
    for chunk in kept:  # none is cut off
        assert len(list(tf.data.TFRecordDataset(str(chunk), compression_type="GZIP"))) in (4, 8)
    draw(sampler, folder)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
