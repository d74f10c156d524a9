import os

import pytest

from pipeline.export.new_folder import ExportError, copy_model, new_folder


def test_another_export_to_the_same_place_leaves_this_one_alone(tmp_path, monkeypatch):
    version, folder = tmp_path / "1", tmp_path / "out"
    with new_folder(folder, version) as first:
        first.mkdir()
        (first / "model").write_text("first")
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with pytest.raises(OSError), new_folder(folder, version) as second:
            second.mkdir()
            raise OSError("full")
    assert [path.name for path in folder.iterdir()] == ["model"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("target", ["/etc/hostname", "nowhere", "variables"])
def test_a_model_with_a_link_is_not_copied(tmp_path, target):
    (tmp_path / "1" / "variables").mkdir(parents=True)
    (tmp_path / "1" / "variables" / "x\n").symlink_to(target)
    with pytest.raises(ExportError, match=r"variables/x\\n is a link; replace it"):
        copy_model(tmp_path / "1", tmp_path / "2")
    assert not (tmp_path / "2").exists()
