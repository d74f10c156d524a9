"""What an interrupted benchmark has measured is found again by what was done, and only by that."""

import pytest

from benchmarks.measure import BenchmarkError
from benchmarks.rows import Rows, code_hash

KEY = {"task": "digits", "channels": (32, 64), "seed": 0}


def test_a_row_is_found_by_another_process_with_an_equal_key(tmp_path):
    path = tmp_path / "rows.jsonl"
    Rows(path).add(KEY, {"kid": 0.25})
    again = Rows(path)
    assert again.find(KEY) == {"kid": 0.25}
    assert again.find(KEY | {"seed": 1}) is None


def test_rows_are_appended(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = Rows(path)
    for seed in range(3):
        rows.add(KEY | {"seed": seed}, {"kid": float(seed)})
    assert len(path.read_text().splitlines()) == 3
    assert [Rows(path).find(KEY | {"seed": seed})["kid"] for seed in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("text", ["{", "[]\n", '{"key": {}}\n', "1\n"])
def test_another_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=r"rows\.jsonl is not a file of measured rows"):
        Rows(path)


def test_the_hash_covers_the_workers_and_the_files_of_a_benchmark(tmp_path, monkeypatch):
    before = code_hash()
    assert before == code_hash()
    (tmp_path / "ours.py").write_text("changed")
    assert code_hash(tmp_path / "ours.py") != before
    monkeypatch.setattr("benchmarks.rows.WORKERS", tmp_path)
    assert code_hash() != before
