"""Readers are compared round by round, and tars hold every image once."""

import tarfile

from benchmarks import reading


def test_the_ratio_is_the_median_of_the_rounds():
    rounds = {
        "ours": [[1.0, 2.0], [2.0, 2.0], [4.0, 2.0]],  # the machine slows down
        "webdataset": [[1.5, 3.0], [3.0, 3.0], [4.0, 3.0]],
        "slower": [[0.5, 3.0], [1.0, 3.0], [8.0, 3.0]],
    }
    found = {figure.name: figure for figure in reading.compare(rounds)}
    assert found["reading: ours"].value == reading.BATCH * reading.BATCHES / 2
    assert found["  against webdataset"].value == 1.5
    assert found["  against webdataset"].reached
    assert not found["  against slower"].reached


def test_tars_hold_every_image_once(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "TARS", 2)
    for name in ("000/a.jpg", "000/b.jpg", "001/c.jpg"):
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    reading.write_tars(tmp_path / "images", tmp_path / "tars")
    names = []
    for path in sorted((tmp_path / "tars").iterdir()):
        with tarfile.open(path) as tar:
            names.append(tar.getnames())
    assert names == [["a.jpg", "c.jpg"], ["b.jpg"]]


def test_the_bar_of_the_rate_is_for_ours():
    rounds = {"ours": [[1e6, 1.0]], "webdataset": [[2e6, 1.0]]}
    missed = [figure.name for figure in reading.compare(rounds) if figure.reached is False]
    assert missed == ["reading: ours"]
