import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image


@pytest.mark.slow
def test_the_ring_is_mapped_towards_the_moons(tutorial, tmp_path):
    densities_2d = tutorial("densities_2d")
    distances = densities_2d.run(tmp_path / "out", steps=300, nb_point=500)
    assert distances["target"] < distances["mapped"] < distances["source"] / 4

    side = densities_2d.SIDE
    assert Image.open(tmp_path / "out" / "densities.png").size == (3 * side, side)
    with Image.open(tmp_path / "out" / "path.gif") as path:
        assert path.size == (side, side)
        assert path.n_frames == densities_2d.NB_STEP + 1
        path.seek(densities_2d.NB_STEP)
        assert path.info["duration"] > 1000


def test_a_picture_shows_a_point_where_it_is_in_its_color(tutorial):
    densities_2d = tutorial("densities_2d")
    points = np.array([[-1.6, -1.6], [1.6, 0.0]])
    picture = densities_2d.scatter(points, [(255, 0, 0), (0, 0, 255)], "")
    side = densities_2d.SIDE
    assert picture.getpixel((side // 4, 3 * side // 4)) == (255, 0, 0)
    assert picture.getpixel((3 * side // 4, side // 2)) == (0, 0, 255)
    assert picture.getpixel((side // 4, side // 4)) == (255, 255, 255)


def test_the_distance_of_shifted_points_is_that_of_the_shift_over_all_angles(tutorial):
    points = np.random.default_rng(0).normal(size=(100, 2))
    distance = tutorial("densities_2d").distance
    assert distance(points, points) == 0.0
    np.testing.assert_allclose(
        distance(points, points + np.array([3.0, 0.0])), 3.0 * 2 / np.pi, rtol=1e-3
    )


def test_a_file_in_place_of_the_output_is_refused_before_the_training(tutorial, tmp_path):
    (tmp_path / "file").touch()
    result = CliRunner().invoke(tutorial("densities_2d").main, ["--output", tmp_path / "file"])
    assert result.exit_code == 2
    assert "is a file" in result.output


@pytest.mark.slow
def test_the_command_prints_the_distances(tutorial, tmp_path):
    main = tutorial("densities_2d").main
    result = CliRunner().invoke(main, ["--output", str(tmp_path), "--steps", "1"])
    assert result.exit_code == 0, result.output
    assert result.output.count("sliced Wasserstein distance") == 3
