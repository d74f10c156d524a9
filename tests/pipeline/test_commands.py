"""The commands that look at a workspace in which a run has ended well."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from tests.exported_models import write_sampler


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def test_sample_writes_a_grid_of_the_newest_model(trained, tmp_path):
    grids = []
    for name, seed in (("a.png", 3), ("b.png", 3), ("c.png", 4)):
        where = ("--workspace", trained.workspace.folder, "-o", tmp_path / name)
        result = iadb("sample", *where, "--count", 4, "--seed", seed, "--steps", 3)
        assert result.exit_code == 0, result.output
        assert f"seeds {seed} to {seed + 3}" in result.output
        grids.append(np.array(Image.open(tmp_path / name)))
    assert grids[0].shape == (2 * 68 + 4, 2 * 68 + 4)
    np.testing.assert_array_equal(grids[0], grids[1])
    # Seed 4 is the second image of the first grid and the first of the last.
    np.testing.assert_allclose(grids[0][4:68, 72:136].astype(int), grids[2][4:68, 4:68], atol=1)


def test_serve_check_calls_every_signature_without_this_project(trained):
    result = iadb("serve-check", "--workspace", trained.workspace.folder)
    assert result.exit_code == 0, result.output
    for name in ("serving_default", "generate", "transport", "invert", "trajectory", "deblend"):
        assert name in result.output
    assert result.output.strip().endswith("serves")


@pytest.mark.slow
def test_serve_check_takes_a_student_of_fixed_steps(tmp_path):
    write_sampler(tmp_path, fixed_steps=True, nb_step=1)
    result = iadb("serve-check", "--model", tmp_path)
    assert result.exit_code == 0, result.output
    assert "transport" in result.output and "invert" not in result.output


@pytest.mark.slow
def test_serve_check_tells_what_does_not_serve(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "iadb.json").write_text("{}")
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    result = iadb("serve-check", "--model", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path} does not serve" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_runs_lists_metrics_verdict_and_version(trained):
    result = iadb("runs", "--workspace", trained.workspace.folder)
    assert result.exit_code == 0
    assert "1,797" in result.output
    assert "kid" in result.output
    assert trained.first.pushed.name in result.output


def test_what_a_run_read_is_listed_as_trained(trained):
    where = ("--data", trained.data, "--workspace", trained.workspace.folder)
    result = iadb("spans", "--preset", "digits", *where, "--json")
    assert result.exit_code == 0, result.output
    [span] = json.loads(result.output)
    assert (span["images"], span["new"], span["state"]) == (1797, 0, "trained")


def test_the_history_has_the_runs_of_a_person_with_their_results(trained):
    result = iadb("history", "--workspace", trained.workspace.folder, "--json")
    assert result.exit_code == 0, result.output
    first = json.loads(result.output)[0]
    assert (first["cause"], first["outcome"], first["exit_code"]) == ("run", "blessed", 0)
    assert first["runs"] == [trained.first.id]


def test_run_refuses_a_cluster_of_several_workers(trained, tmp_path, monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    where = ("--data", trained.data, "--workspace", tmp_path / "workspace")
    result = iadb("run", "--preset", "digits", *where)
    assert result.exit_code == 2
    assert "TF_CONFIG names 2 workers, and `iadb run` trains in one process" in result.output
