"""The environment shortens the long benchmarks, and a wrong value is one clear line."""

import pytest

from benchmarks import settings
from benchmarks.measure import BenchmarkError

NAMES = ("digits", "emoji32")


@pytest.fixture(autouse=True)
def _unset(monkeypatch):
    for variable in ("SECONDS", "SEEDS", "TASKS", "SIZES"):
        monkeypatch.delenv(f"BENCHMARK_{variable}", raising=False)


def test_without_variables_a_benchmark_runs_as_it_is():
    assert (settings.seconds(120), settings.seeds(3)) == (120, 3)
    assert settings.chosen(NAMES) == list(NAMES)


def test_variables_replace_seconds_seeds_and_tasks(monkeypatch):
    monkeypatch.setenv("BENCHMARK_SECONDS", "7.5")
    monkeypatch.setenv("BENCHMARK_SEEDS", "1")
    monkeypatch.setenv("BENCHMARK_TASKS", "emoji32")
    assert (settings.seconds(120), settings.seeds(3)) == (7.5, 1)
    assert settings.chosen(NAMES) == ["emoji32"]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "inf", "nan"])
def test_a_number_of_seeds_is_a_positive_whole_number(monkeypatch, text):
    monkeypatch.setenv("BENCHMARK_SEEDS", text)
    with pytest.raises(BenchmarkError, match=f"BENCHMARK_SEEDS={text}: .* whole number"):
        settings.seeds(3)


@pytest.mark.parametrize("text", ["0", "-1", "two", "inf", "nan"])
def test_seconds_are_positive_and_finite(monkeypatch, text):
    monkeypatch.setenv("BENCHMARK_SECONDS", text)
    with pytest.raises(BenchmarkError, match=f"BENCHMARK_SECONDS={text}: must be"):
        settings.seconds(120)


def test_an_unknown_task_is_named_with_those_that_exist(monkeypatch):
    monkeypatch.setenv("BENCHMARK_TASKS", "digits,emoji")
    with pytest.raises(BenchmarkError, match="=emoji: choose from digits, emoji32"):
        settings.chosen(NAMES)


def test_sizes_are_ascending_whole_numbers(monkeypatch):
    assert settings.sizes((10, 20)) == [10, 20]
    monkeypatch.setenv("BENCHMARK_SIZES", "1000000,10000,10000")
    assert settings.sizes((10, 20)) == [10_000, 1_000_000]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e6"])
def test_a_size_is_a_positive_whole_number(monkeypatch, text):
    monkeypatch.setenv("BENCHMARK_SIZES", f"10,{text}")
    with pytest.raises(BenchmarkError, match=f"BENCHMARK_SIZES={text}: .* whole number"):
        settings.sizes((10, 20))
