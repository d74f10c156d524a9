import pytest
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model

from components.pair_gen import executor, names, pairs
from components.pair_gen.options import PairOptions
from components.pair_gen.pairs import chunks_of
from pipeline.config import BeamConfig
from tests.exported_models import write_sampler


@pytest.fixture
def pair_gen(tmp_path, monkeypatch):
    """Runs the executor on a small model; returns the pairs."""
    monkeypatch.setattr(pairs, "CHUNK", 8)
    monkeypatch.setattr(pairs, "HELD_OUT", 4)
    model, images = Model(), Examples()
    model.uri, images.uri = str(tmp_path / "model"), str(tmp_path / "images")
    images.split_names = artifact_utils.encode_split_names(["train", "eval"])
    write_sampler(tmp_path / "model" / "Format-Serving")
    partial = str(tmp_path / "checkpoints")
    options = PairOptions(pairs=20, segments=1, unlabeled=0.0, batch_size=8, partial=partial)

    def run(folder):
        drawn = Examples()
        drawn.uri = str(tmp_path / folder)
        executor.Executor(BaseBeamExecutor.Context(BeamConfig().arguments(names.NODE))).Do(
            {names.MODEL: [model], names.EXAMPLES: [images]},
            {names.PAIRS: [drawn]},
            {names.OPTIONS: options.model_dump_json(), "source_hash": ""},
        )
        return drawn

    return run


def test_pairs_are_published_and_their_partial_folder_is_removed(pair_gen, tmp_path):
    drawn = pair_gen("pairs")
    found = {f"{path.parent.name}/{path.name}" for path in (tmp_path / "pairs").rglob("*.gz")}
    assert found == {f"Split-{chunk.split}/{chunk.file}" for chunk in chunks_of(20)}
    assert drawn.get_int_custom_property(names.PAIRS) == 20
    assert not list((tmp_path / "checkpoints").iterdir())


def test_pairs_that_could_not_be_published_are_not_drawn_again(pair_gen, tmp_path, monkeypatch):
    copied = []

    def copy_one(source, *_, **__):
        if copied:
            raise OSError("No space left on device")
        copied.append(source)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(executor.fileio, "copy", copy_one)
        pair_gen("failed")
    kept = {path: path.read_bytes() for path in (tmp_path / "checkpoints").rglob("*.gz")}
    assert {path.name for path in kept} == {chunk.file for chunk in chunks_of(20)}
    monkeypatch.setattr(pairs, "_pair", None)  # which a pair that is drawn calls
    pair_gen("pairs")
    published = {path.name: path.read_bytes() for path in (tmp_path / "pairs").rglob("*.gz")}
    assert published == {path.name: content for path, content in kept.items()}
