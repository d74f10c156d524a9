import io
import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.serve import batching
from pipeline.serve.batching import Batcher, Job
from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import Signature, TensorSpec
from trainer.limit_options import LimitOptions

SEED = TensorSpec("seed", np.dtype(np.int64), (None,))
NB_STEP = TensorSpec("nb_step", np.dtype(np.int32), ())
IMAGE = TensorSpec("image", np.dtype(np.int64), (None,))
GENERATE = Signature("generate", {"seed": SEED, "nb_step": NB_STEP}, {"image": IMAGE})
LATER = 60


class StandInVersion:
    """Adds the steps to the seeds; the first call waits until `go` is set."""

    def __init__(self, most_rows=8):
        self.calls = []
        self.began, self.go = threading.Event(), threading.Event()
        self._most_rows = most_rows
        self.limits = LimitOptions(nb_step=1000, states=2000)

    def steps(self, signature, inputs):
        return int(inputs["nb_step"])

    def most_rows(self, signature, inputs):
        return self._most_rows

    def call(self, name, inputs):
        self.calls.append(inputs["seed"].tolist())
        self.began.set()
        assert self.go.wait(LATER)
        if -1 in inputs["seed"]:
            raise RequestError("a seed is negative")
        return {"image": inputs["seed"] + inputs["nb_step"]}


@pytest.fixture
def version():
    return StandInVersion()


@pytest.fixture
def batcher():
    """A batcher, which notes the rows of each call."""
    seen = []
    made = Batcher(lambda jobs, seconds: seen.append(sum(job.rows for job in jobs)))
    made.seen = seen
    made.start()
    yield made
    made.stop()


def job(version, *seeds, nb_step=1, seconds=LATER):
    inputs = {"seed": np.array(seeds, np.int64), "nb_step": np.array(nb_step, np.int32)}
    return Job(version, GENERATE, inputs, time.monotonic() + seconds)


def submit(batcher, *jobs):
    """Submits the first job alone, and the others while it runs."""
    version = jobs[0].version
    batcher.submit(jobs[0])
    assert version.began.wait(LATER)
    for each in jobs[1:]:
        batcher.submit(each)
    version.go.set()


def images(job):
    return job.answer.result(LATER)["image"].tolist()


def test_what_waits_for_the_same_function_is_one_call(batcher, version):
    jobs = [job(version, 0), job(version, 1, 2), job(version), job(version, 3)]
    submit(batcher, *jobs)
    assert [images(each) for each in jobs] == [[1], [2, 3], [], [4]]
    assert version.calls == [[0], [1, 2, 3]]


def test_other_steps_and_other_versions_are_other_calls(batcher, version):
    other = StandInVersion()
    other.go.set()
    jobs = [job(version, 0), job(version, 1), job(version, 1, nb_step=2), job(other, 1)]
    submit(batcher, *jobs)
    assert [images(each) for each in jobs] == [[1], [2], [3], [2]]
    assert (version.calls, other.calls) == ([[0], [1], [1]], [[1]])


def test_a_call_has_as_many_rows_as_the_model_takes(batcher, version):
    jobs = [job(version, 0), job(version, *range(5)), job(version, *range(4)), job(version, 9)]
    submit(batcher, *jobs)
    assert [len(images(each)) for each in jobs] == [1, 5, 4, 1]
    assert version.calls == [[0], [0, 1, 2, 3, 4, 9], [0, 1, 2, 3]]


def test_a_call_that_cannot_be_observed_is_answered_and_others_follow(version, caplog):
    def fail(jobs, seconds):
        raise ZeroDivisionError("of all things")

    batcher = Batcher(fail)
    batcher.start()
    version.go.set()
    for _ in range(2):
        batcher.submit(each := job(version, 1))
        assert images(each) == [2]
    batcher.stop()
    assert caplog.text.count("ZeroDivisionError: of all things") == 2


def test_a_request_at_fault_fails_alone(batcher, version):
    jobs = [job(version, 0), job(version, 1), job(version, -1), job(version, 2)]
    submit(batcher, *jobs)
    assert images(jobs[1]) == [2]
    assert images(jobs[3]) == [3]
    with pytest.raises(RequestError, match="negative"):
        jobs[2].answer.result(LATER)


def test_what_nobody_waits_for_any_more_is_not_called(batcher, version):
    canceled, late = job(version, 1), job(version, 2, seconds=0)
    canceled.answer.cancel()
    jobs = [job(version, 0), canceled, late, job(version, 3)]
    submit(batcher, *jobs)
    assert images(jobs[3]) == [4]
    assert version.calls == [[0], [3]]
    with pytest.raises(CancelledError):
        canceled.answer.result(LATER)


def test_outputs_without_rows_are_those_of_a_call_of_its_own(batcher):
    class Summing(StandInVersion):
        def call(self, name, inputs):
            return {**super().call(name, inputs), "sum": np.array(inputs["seed"].sum())}

    version = Summing()
    jobs = [job(version, 0), job(version, 1, 2), job(version, 3)]
    submit(batcher, *jobs)
    assert [each.answer.result(LATER)["sum"] for each in jobs] == [0, 3, 3]
    assert [images(each) for each in jobs] == [[1], [2, 3], [4]]
    assert version.calls == [[0], [1, 2, 3], [1, 2], [3]]
    assert batcher.alive


def test_a_request_that_was_given_up_leaves_its_place(batcher, version):
    given_up, waits = job(version, 1), job(version, 2)
    batcher.submit(job(version, 0))
    assert version.began.wait(LATER)
    batcher.submit(given_up)
    batcher.submit(waits)
    for _ in range(2):
        batcher.drop(given_up)
        assert batcher.waiting == 1
    version.go.set()
    assert images(waits) == [3]
    assert version.calls == [[0], [2]]


def test_a_full_queue_rejects_with_a_time(batcher, version):
    batcher.submit(job(version, 0))
    assert version.began.wait(LATER)
    waiting = [job(version, seed) for seed in range(batching.MAX_WAITING)]
    for each in waiting:
        batcher.submit(each)
    with pytest.raises(RequestError) as rejected:
        batcher.submit(job(version, 0))
    assert (rejected.value.status, rejected.value.retry_after) == (429, 1)
    version.go.set()
    assert [images(each) for each in waiting] == [[seed + 1] for seed in range(len(waiting))]
    batcher.submit(job(version, 0))


def test_the_time_to_wait_grows_with_what_waits(batcher, version):
    batcher._seconds_per_work = 0.01
    batcher.submit(job(version, 0))
    assert version.began.wait(LATER)
    for _ in range(10):
        batcher.submit(job(version, *range(8), nb_step=50))
    assert batcher.seconds_to_wait() in (40, 41)
    version.go.set()


def test_more_than_the_model_takes_is_not_queued(version):
    with pytest.raises(RequestError, match="9 images in 1 step: one request may ask for at most 8"):
        job(version, *range(9))


def test_jobs_are_done_before_the_end(version):
    batcher = Batcher(lambda jobs, seconds: None)
    batcher.start()
    jobs = [job(version, 0), job(version, 1), job(version, 1, nb_step=7)]
    submit(batcher, *jobs)
    batcher.stop()
    assert all(each.answer.done() for each in jobs)


def test_more_steps_than_allowed_are_rejected_without_images_too():
    assert job(StandInVersion(most_rows=1)).rows == 0
    with pytest.raises(RequestError, match="3000 steps: one request may ask for at most 1000 "):
        job(StandInVersion(most_rows=0), nb_step=3000)


def test_the_texts_of_a_file_are_not_read_to_count_its_pixels(monkeypatch):
    texts = PngInfo()
    texts.add_text("large", "a" * 900_000, zip=True)
    png = io.BytesIO()
    Image.new("L", (20, 30)).save(png, "PNG", pnginfo=texts)
    monkeypatch.setattr(Image, "open", None)
    assert batching._pixels([png.getvalue()] * 2) == 1200


def test_files_with_more_pixels_than_can_be_decoded_in_time_are_rejected():
    png = io.BytesIO()
    Image.new("1", (4096, 4096)).save(png, "PNG")  # 2 kilobytes
    files = np.array([png.getvalue()] * 16 + [b"no image"], object)
    version = StandInVersion(most_rows=256)
    inputs = {"nb_step": np.array(1), "image_bytes": files}
    assert Job(version, GENERATE, inputs, LATER).rows == 17
    with pytest.raises(
        RequestError, match="285,212,672 pixels in 18 files: one request may"
    ) as error:
        more = np.append(files, np.array([png.getvalue()], object))
        Job(version, GENERATE, inputs | {"image_bytes": more}, LATER)
    assert error.value.status == 413
