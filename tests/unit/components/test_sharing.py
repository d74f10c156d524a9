import gc
from pathlib import Path

from components.sharing import shared


class Loaded:
    def __init__(self, text):
        self.text = text


@shared
def load(path):
    return Loaded(Path(path).read_text())


def test_users_of_the_same_arguments_share_one_object(tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]
    for path in paths:
        Path(path).write_text(path)
    first, other, again = load(paths[0]), load(paths[1]), load(paths[0])
    assert again is first
    assert (first.text, other.text) == tuple(paths)


def test_what_nobody_uses_any_more_is_loaded_again(tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    first = load(str(path))
    path.write_text("new")
    assert load(str(path)).text == "old"
    del first
    gc.collect()
    assert load(str(path)).text == "new"


def test_a_failure_is_not_kept(tmp_path):
    path = tmp_path / "model"
    try:
        load(str(path))
    except FileNotFoundError:
        path.write_text("there")
    assert load(str(path)).text == "there"
