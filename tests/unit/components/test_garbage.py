import gc
import sys

import pytest

from components.garbage import without_garbage_collection


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module that was never imported."""
    name = "a_large_library"
    (tmp_path / f"{name}.py").write_text("LISTS = [[] for _ in range(1000)]")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)
    gc.unfreeze()


def test_no_garbage_is_collected_while_modules_are_imported_nor_are_they_examined_later(module):
    gc.unfreeze()
    with without_garbage_collection():
        assert not gc.isenabled()
        __import__(module)
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


def test_a_block_that_imports_nothing_freezes_nothing(module):
    __import__(module)
    gc.unfreeze()
    with without_garbage_collection():
        __import__(module)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_collection_goes_on_after_an_import_that_fails_and_stays_off_if_it_was():
    with pytest.raises(ImportError), without_garbage_collection():
        import no_such_module  # noqa: F401
    assert gc.isenabled()
    gc.disable()
    try:
        with without_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
