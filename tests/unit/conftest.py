"""What a Beam pipeline keeps in memory."""

import pytest


@pytest.fixture
def kept_bytes(monkeypatch):
    """Runs a function; returns the bytes that Beam's in-process runner kept between stages.

    The runner keeps all output of a stage that another one needs until the pipeline ends.
    """
    from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer, ListBuffer

    counts = []

    def counting(append):
        def count_and_append(buffer, elements):
            counts.append(len(elements))
            append(buffer, elements)

        return count_and_append

    for kind in (ListBuffer, GroupingBuffer):
        monkeypatch.setattr(kind, "append", counting(kind.append))

    def run(work):
        counts.clear()
        work()
        return sum(counts)

    return run
