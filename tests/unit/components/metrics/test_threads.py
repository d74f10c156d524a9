"""BLAS uses one thread for features with few dimensions only."""

from threadpoolctl import threadpool_info, threadpool_limits

from components.metrics.threads import SMALL_DIMENSION, blas_threads


def threads():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def test_few_dimensions_are_computed_in_one_thread_and_many_in_all():
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with blas_threads(SMALL_DIMENSION):
            assert threads() == {1}
        with blas_threads(SMALL_DIMENSION + 1):
            assert threads() == before == {2}
        assert threads() == before
