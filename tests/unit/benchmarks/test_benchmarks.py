import json
import sys
import types

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.measure import BenchmarkError, Figure


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Stand-ins for two benchmarks, of which the second fails; the folder of the results."""

    def fail():
        yield Figure("half", 2.0, "s")
        raise RuntimeError("a late failure")

    for name, figures in {"drift": lambda: [Figure("whole", 1.0, "s")], "serving": fail}.items():
        module = types.SimpleNamespace(figures=figures)
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def test_figures_are_kept_if_a_later_benchmark_fails(results):
    with pytest.raises(RuntimeError, match="a late failure"):
        benchmarks.main(["drift", "serving"])
    (file,) = results.iterdir()
    figures = json.loads(file.read_text())["figures"]
    assert [figure["name"] for figure in figures] == ["whole", "half"]


def test_an_unknown_name_is_refused_before_any_benchmark_runs(results):
    with pytest.raises(BenchmarkError, match=r"^no benchmark 'drfit'; choose from main_job, read"):
        benchmarks.main(["drift", "drfit"])
    assert not results.exists()


def test_help_lists_the_benchmarks(capsys):
    with pytest.raises(SystemExit) as ended:
        benchmarks.main(["--help"])
    assert ended.value.code == 0
    assert "time_to_quality" in capsys.readouterr().out
