import errno
import json
import os
import re
import signal

import pytest

from pipeline.export.new_folder import NEEDED, ExportError, copy_model, new_folder
from tests.recorded import write_model
from trainer.names import METADATA


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


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("damage", ["empty", "missing"])
def test_a_damaged_model_is_not_copied(tmp_path, name, damage):
    version = write_model(tmp_path / "1")
    (version / name).unlink()
    if damage == "empty":
        (version / name).touch()
    with pytest.raises(ExportError, match=f"{re.escape(name)} is missing or empty; export another"):
        copy_model(version, tmp_path / "2")
    assert not (tmp_path / "2").exists()


@pytest.mark.parametrize(
    ("about", "copied"),
    [
        (
            {
                "teacher": "/home/me/model/5/Format-Serving",
                "warm_started_from": "gs://mine/model/4/Format-Serving",
                "split": {"data.holdout": "/home/me/cats/", "data.eval_percent": 20},
            },
            {
                "teacher": "model/5/Format-Serving",
                "warm_started_from": "model/4/Format-Serving",
                "split": {"data.holdout": "cats", "data.eval_percent": 20},
            },
        ),
        *(
            (unchanged, unchanged)
            for unchanged in (
                {"warm_started_from": None, "split": {"data.holdout": None}},
                {"nb_step": 4},
            )
        ),
    ],
)
def test_a_copy_has_no_paths_of_this_machine_in_its_metadata(tmp_path, about, copied):
    version = write_model(tmp_path / "1")
    (version / METADATA).write_text(json.dumps(about))
    copy_model(version, tmp_path / "2")
    assert json.loads((tmp_path / "2" / METADATA).read_text()) == copied
    assert json.loads((version / METADATA).read_text()) == about


def test_a_model_that_cannot_be_written_is_copied(tmp_path):
    version = write_model(tmp_path / "1")
    (version / METADATA).write_text('{"teacher": "/home/me/model/5/Format-Serving"}')
    for path in (version / METADATA, *version.rglob("*.pb")):
        path.chmod(0o444)
    copy_model(version, tmp_path / "2")
    assert json.loads((tmp_path / "2" / METADATA).read_text()) == {
        "teacher": "model/5/Format-Serving"
    }
    assert (tmp_path / "2" / METADATA).stat().st_mode & 0o200


def test_a_folder_where_a_volume_is_mounted_is_refused_before_anything_is_copied(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path / "out")
    making = new_folder(tmp_path / "out", tmp_path / "model")
    with pytest.raises(ExportError, match=r"/out is where a volume is mounted; name a new"), making:
        pytest.fail("begun")


def test_a_full_disk_is_that_of_the_copy(tmp_path, monkeypatch):
    write_model(tmp_path / "model")

    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr("shutil.copy2", full)
    with pytest.raises(OSError, match="No space left") as error:
        copy_model(tmp_path / "model", tmp_path / "copy")
    assert error.value.errno == errno.ENOSPC
    assert error.value.filename.startswith(str(tmp_path / "copy"))


def test_a_stopped_export_leaves_nothing(tmp_path):
    with pytest.raises(SystemExit), new_folder(tmp_path / "out", tmp_path / "model") as partial:
        partial.mkdir()
        os.kill(os.getpid(), signal.SIGTERM)
    assert list(tmp_path.iterdir()) == []
