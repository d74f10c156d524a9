"""Students are compared with the teacher that is as good, and shortened runs are smaller."""

from types import SimpleNamespace

import pytest

from benchmarks import distillation
from benchmarks.distillation import TASKS, Way, as_good

METRIC = "kid, pixels"
TEACHER = {
    "euler": {1: 0.4, 2: 0.2, 4: 0.1, 8: 0.05, 16: 0.02, 32: 0.01},
    "midpoint": {2: 0.3, 4: 0.09, 8: 0.04, 16: 0.021, 32: 0.011},
}


def seed(student, worse=0.0):
    """A row of `found` with a student of 4 evaluations."""
    teacher = {
        f"{solver} {nfe}": {METRIC: value + worse}
        for solver, values in TEACHER.items()
        for nfe, value in values.items()
    }
    return {"distances": {"teacher": teacher, "student": {"euler 4": {METRIC: student}}}}


@pytest.mark.parametrize(
    ("student", "way"),
    [
        (0.5, Way("euler", 1)),
        (0.2, Way("euler", 2)),
        (0.15, Way("midpoint", 4)),  # the nearer of two
        (0.045, Way("midpoint", 8)),
        (0.0205, Way("euler", 16)),
        (0.001, Way("euler", 32)),  # nearer than any
    ],
)
def test_a_teacher_as_good_takes_the_fewest_evaluations(student, way):
    assert as_good([seed(student)], 4, METRIC) == way


def test_as_good_is_within_the_spread_of_the_student_over_seeds():
    found = [seed(0.03, worse=0.001), seed(0.05, worse=-0.001)]  # 0.04 with a spread of 0.014
    assert as_good(found, 4, METRIC) == Way("midpoint", 8)
    found = [seed(0.032), seed(0.036)]  # 0.034 with a spread of 0.003
    assert as_good(found, 4, METRIC) == Way("euler", 16)


@pytest.mark.parametrize("slowest", [3.9, 5.1])
def test_the_best_student_has_to_be_five_times_as_fast(monkeypatch, slowest):
    times = {1: 2.0, 2: slowest, 4: 1.0}

    def time(_, ways):
        return {way: [1.0 if way.solver == "euler" else times[way.nfe // 8]] * 3 for way in ways}

    monkeypatch.setattr(distillation, "_time", time)
    monkeypatch.setattr(distillation, "as_good", lambda _, nfe, __: Way("midpoint", 8 * nfe))
    *_, last = distillation._serve("digits", {}, [], METRIC, whole=True)
    assert (last.value, last.reached) == (slowest, slowest > 5)
    *_, last = distillation._serve("digits", {}, [], METRIC, whole=False)
    assert (last.bar, last.reached) == ("", None)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_shortened_run_judges_fewer_samples(task):
    assert task.within(task.seconds) == task
    assert task.within(2 * task.seconds).samples == task.samples
    assert task.within(task.seconds / 2).samples == task.samples // 2
    assert task.within(1).samples == distillation.MIN_SAMPLES


def test_rates_are_those_of_the_exported_sampler_with_its_own_steps(monkeypatch):
    asked = []

    class Worker(SimpleNamespace):
        def __init__(self, script, *_):
            super().__init__(script=script)

        def ask(self, do, **arguments):
            asked.append((self.script, do, arguments))
            return len(asked)

        def close(self):
            pass

    monkeypatch.setattr(distillation, "Worker", Worker)
    monkeypatch.setattr(distillation, "ROUNDS", 2)
    student, teacher = Way("euler", 4), Way("midpoint", 16)
    # The first two of eight requests export, the next two warm up; then they take turns.
    assert distillation._time({}, [student, teacher]) == {student: [5, 7], teacher: [6, 8]}
    exported = [arguments for script, do, arguments in asked if do == "export"]
    assert [(each["solver"], each["nb_step"]) for each in exported] == [
        ("euler", 4),
        ("midpoint", 8),
    ]
