import threading

import pytest

from trainer.common import phases as phases_module
from trainer.common.phases import OTHER, Phases, duration
from trainer.common.progress import Report, listening, phase, report
from trainer.common.progress_lines import printing


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(phases_module.time, "monotonic", lambda: self.now)

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def phases(clock):
    found = Phases("work")
    with listening(found):
        yield found


def done(images, name="sampling"):
    report(Report(name, done=images))


def test_a_count_has_its_total_its_rate_and_the_time_left(phases, clock):
    report(Report("sampling", expected=500))
    report(Report("sampling", expected=1000))
    assert phases.describe() == "work · sampling 0/1,500 images"
    for _ in range(3):
        clock.advance(10)
        done(400)
    assert phases.describe() == "work · sampling 1,200/1,500 images · 40/s · 8 s left"
    done(300)
    assert phases.describe() == "work · 30 s"


@pytest.mark.parametrize(
    ("seconds", "pace"),
    [(0.04, "25/s"), (0.4, "2.5/s"), (1, "1.0/s"), (2.54, "2.5 s each"), (75, "1 min 15 s each")],
)
def test_slow_units_are_described_by_the_time_of_each(phases, clock, seconds, pace):
    report(Report("training", expected=10, unit="steps"))
    for _ in range(3):
        clock.advance(seconds)
        report(Report("training", done=1, unit="steps"))
    assert f" 3/10 steps · {pace} · " in phases.describe()


def test_the_first_units_count_for_the_rate_only_until_there_are_others(phases, clock):
    report(Report("sampling", expected=30))
    clock.advance(100)  # compiles
    done(10)
    assert phases.describe().endswith("10/30 images · 10 s each · 3 min 20 s left")
    clock.advance(1)
    done(10)
    assert phases.describe().endswith("20/30 images · 10/s · 1 s left")


def test_the_wait_for_other_work_does_not_count_for_the_rate(phases, clock):
    report(Report("features", expected=30))
    with phase("sampling"):
        clock.advance(100)
    with phase("features"):
        clock.advance(1)
        done(10, "features")
    assert phases.describe().endswith("features 10/30 images · 10/s · 2 s left")


def test_the_time_left_goes_on_while_nothing_is_reported_and_never_below_zero(phases, clock):
    report(Report("sampling", expected=400))
    for _ in range(3):
        clock.advance(100)
        done(100)
    assert phases.describe().endswith("300/400 images · 1.0/s · 1 min 40 s left")
    clock.advance(60)
    assert phases.describe().endswith("300/400 images · 1.0/s · 40 s left")
    clock.advance(60)
    assert phases.describe().endswith("300/400 images · 1.0/s")


def test_what_is_done_at_once_has_no_rate_yet(phases, clock):
    report(Report("training", expected=2000))
    clock.advance(1e-5)
    done(1500, "training")  # of a training that is resumed
    assert phases.describe().endswith("training 1,500/2,000 images")
    clock.advance(10)
    done(10, "training")
    assert phases.describe().endswith("1,510/2,000 images · 1.0/s · 8 min 10 s left")


def test_a_second_round_has_its_own_count_and_rate(phases, clock):
    for _ in range(2):
        report(Report("features", expected=30))
        for _ in range(2):
            clock.advance(1)
            done(10, "features")
        assert phases.describe().endswith(" 20/30 images · 10/s · 1 s left")
        done(10, "features")
        clock.advance(1000)


def test_a_note_and_another_unit_are_shown(phases):
    report(Report("training", expected=1000, unit="steps"))
    report(Report("training", done=1, unit="steps", note="loss 0.1250"))
    assert phases.describe() == "work · training 1/1,000 steps · loss 0.1250"


def test_a_block_does_not_change_what_is_counted(phases):
    report(Report("metrics", expected=24, unit=""))
    with phase("metrics"):
        assert phases.describe() == "work · metrics 0/24"


def test_a_phase_without_a_count_shows_how_long_it_has_run(phases, clock):
    with phase("writing the sampler"):
        clock.advance(22)
        assert phases.describe() == "work · writing the sampler 22 s"
    assert phases.describe() == "work · 22 s"


def test_a_phase_without_a_total_shows_what_is_done(phases, clock):
    for _ in range(2):
        with phase("errors"):
            clock.advance(4)
            done(8, "errors")
            text = phases.describe()
    assert text == "work · errors 16 images · 2.0/s"


def test_the_times_of_all_phases_sum_to_the_whole_time(phases, clock):
    clock.advance(1)
    with phase("describing"):
        clock.advance(2)
        for _ in range(2):
            with phase("sampling"):
                clock.advance(4)
        with phase("describing"):
            clock.advance(16)
        clock.advance(32)
    clock.advance(64)
    assert phases.seconds() == {OTHER: 65, "describing": 50, "sampling": 8}


def test_work_in_threads_is_accounted_once(phases, clock):
    begun, ended = threading.Event(), threading.Event()

    def work():
        with phase("features"):
            begun.set()
            ended.wait(60)

    thread = threading.Thread(target=work)
    with phase("sampling"):
        thread.start()
        assert begun.wait(60)
        clock.advance(8)
    ended.set()
    thread.join()
    clock.advance(1)
    assert phases.seconds() == {OTHER: 1, "sampling": 0, "features": 8}


def test_a_failed_block_ends_its_phase(phases):
    with pytest.raises(ValueError, match="broken"), phase("reading"):
        raise ValueError("broken")
    assert phases.unfinished() == []


def test_the_end_of_a_block_that_began_unheard_is_ignored(phases):
    report(Report("reading", entered=-1))
    assert phases.unfinished() == []


def test_reports_after_the_block_reach_nobody():
    reports = []
    with listening(reports.append):
        report(Report("sampling", done=1))
    report(Report("sampling", done=2))
    assert reports == [Report("sampling", done=1)]


@pytest.mark.usefixtures("clock")
def test_lines_are_printed_while_the_work_runs_even_if_it_reports_nothing(monkeypatch):
    monkeypatch.setattr("trainer.common.progress_lines.LINE_SECONDS", 0.001)
    lines, printed = [], threading.Event()

    def write(line):
        lines.append(line)
        printed.set()

    with printing("Transform", write):
        assert printed.wait(60)
    assert lines[0] == "Transform · 0 s"
    assert not any(thread.name == "progress" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_durations_are_in_words(seconds, text):
    assert duration(seconds) == text
