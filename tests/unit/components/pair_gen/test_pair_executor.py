import shutil

import pytest
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model

from components.pair_gen import executor, names, pairs
from components.pair_gen.options import PairOptions
from components.pair_gen.pairs import chunks_of
from pipeline.config.sections import BeamConfig
from tests.exported_models import write_sampler
from trainer.fit.folder_lock import FolderInUseError, folder_locked


@pytest.fixture
def pair_gen(tmp_path, monkeypatch):
    """Runs the executor on a small model; returns the pairs."""
    monkeypatch.setattr(pairs, "CHUNK", 8)
    monkeypatch.setattr(pairs, "HELD_OUT", 4)
    model, images = Model(), Examples()
    model.uri, images.uri = str(tmp_path / "model"), str(tmp_path / "images")
    images.split_names = artifact_utils.encode_split_names(["train", "eval"])
    write_sampler(tmp_path / "model" / "Format-Serving")
    folder = str(tmp_path / "checkpoints")
    options = PairOptions(pairs=20, segments=1, unlabeled=0.0, batch_size=8, folder=folder)

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


def published(folder):
    return {f"{path.parent.name}/{path.name}": path for path in folder.rglob("*.gz")}


def test_pairs_are_published_in_their_splits(pair_gen, tmp_path):
    drawn = pair_gen("pairs")
    expected = {f"Split-{chunk.split}/{chunk.file}" for chunk in chunks_of(20)}
    assert published(tmp_path / "pairs").keys() == expected
    assert drawn.get_int_custom_property(names.PAIRS) == 20
    assert drawn.get_int_custom_property(names.DRAWN) == 20 + pairs.HELD_OUT


def test_pairs_are_drawn_once_and_stored_once(pair_gen, tmp_path, monkeypatch):
    pair_gen("pairs")
    monkeypatch.setattr(pairs, "_pair", None)  # which a pair that is drawn calls
    assert pair_gen("again").get_int_custom_property(names.DRAWN) == 0
    first, second = (published(tmp_path / folder) for folder in ("pairs", "again"))
    assert first.keys() == second.keys()
    assert all(second[name].samefile(path) for name, path in first.items())


@pytest.mark.slow
def test_another_model_at_the_same_path_draws_its_own_pairs(pair_gen, tmp_path):
    pair_gen("pairs")
    shutil.rmtree(tmp_path / "model")
    write_sampler(tmp_path / "model" / "Format-Serving", nb_step=4)
    drawn = pair_gen("again").get_int_custom_property(names.DRAWN)
    assert drawn == 20 + pairs.HELD_OUT


@pytest.mark.slow
def test_pairs_are_copied_where_there_are_no_links(pair_gen, tmp_path, monkeypatch):
    def no_link(*_):
        raise OSError("Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(executor.os, "link", no_link)
        pair_gen("pairs")
    pair_gen("again")
    copied, linked = (
        {name: path.read_bytes() for name, path in published(tmp_path / folder).items()}
        for folder in ("pairs", "again")
    )
    assert copied == linked


@pytest.mark.slow
def test_what_a_killed_run_left_unfinished_is_removed(pair_gen, tmp_path):
    pair_gen("pairs")
    (kept,) = (tmp_path / "checkpoints").iterdir()
    (kept / f"{pairs.UNFINISHED}0").write_bytes(b"half of a chunk")
    pair_gen("again")
    assert not list(kept.glob(f"{pairs.UNFINISHED}*"))


@pytest.mark.slow
def test_two_processes_do_not_draw_the_same_pairs(pair_gen, tmp_path):
    pair_gen("pairs")
    (kept,) = (tmp_path / "checkpoints").iterdir()
    with (
        folder_locked(str(kept), "draws"),
        pytest.raises(FolderInUseError, match="draws the same pairs"),
    ):
        pair_gen("again")
