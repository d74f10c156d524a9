"""What nodes take beyond what was timed."""

from types import SimpleNamespace

from pipeline.estimate.nodes import _Amounts, _shuffle_buffers


def test_shuffled_examples_are_kept_in_memory_and_no_more_than_there_are():
    amounts = _Amounts(images=900, training=800, compared=100, models=1, holdout=0)
    found = SimpleNamespace(sources=0, sample=SimpleNamespace(example_bytes=92_000.5, accepted=0.5))
    assert _shuffle_buffers(10_000, found, amounts) == 800 * 92_000.5
    assert _shuffle_buffers(500, found, amounts) == 500 * 92_000.5
    found.sources = 60
    assert _shuffle_buffers(500, found, amounts) == 530 * 92_000.5
