import asyncio
import io
import threading
import time

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.serve import calls
from pipeline.serve.calls import Call, Calls
from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import Signature, TensorSpec
from trainer.ode.options import LimitOptions

SEED = TensorSpec("seed", np.dtype(np.int64), (None,))
NB_STEP = TensorSpec("nb_step", np.dtype(np.int32), ())
IMAGE = TensorSpec("image", np.dtype(np.int64), (None,))
GENERATE = Signature("generate", {"seed": SEED, "nb_step": NB_STEP}, {"image": IMAGE})
LATER = 60


class StandInVersion:
    """Adds the steps to the seeds; calls of seed 0 wait until `go` is set.

    Args:
        most_rows: of a request.
        seconds: that an image takes in a call.
    """

    def __init__(self, most_rows=8, seconds=0.0):
        self._seconds = seconds
        self.began = []
        self.go = threading.Event()
        self._most_rows = most_rows
        self.limits = LimitOptions(nb_step=1000, states=2000)

    def steps(self, signature, inputs):
        return int(inputs["nb_step"])

    def most_rows(self, signature, inputs):
        return self._most_rows

    def call(self, name, inputs):
        self.began.append(inputs["seed"].tolist())
        time.sleep(self._seconds * len(inputs["seed"]))
        assert 0 not in inputs["seed"] or self.go.wait(LATER)
        if -1 in inputs["seed"]:
            raise RequestError("a seed is negative")
        return {"image": inputs["seed"] + inputs["nb_step"]}


@pytest.fixture
def version():
    return StandInVersion()


def call(version, *seeds, nb_step=1):
    inputs = {"seed": np.array(seeds, np.int64), "nb_step": np.array(nb_step, np.int32)}
    return Call(version, GENERATE, inputs)


def run(test, patience=LATER):
    """Runs a coroutine with `Calls`, which note the rows of each, and returns the notes."""
    seen = []
    made = Calls(lambda call, seconds: seen.append(call.rows), patience)

    async def in_time():
        async with asyncio.timeout(LATER):
            await test(made)

    asyncio.run(in_time())
    made.stop()
    return seen


def begin(made, call):
    return asyncio.create_task(made.outputs(call))


async def image(outputs):
    return (await outputs)["image"].tolist()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def test_few_are_called_at_once_and_the_others_in_turn(version):
    async def test(made):
        outputs = [begin(made, call(version, 0)) for _ in range(calls.AT_ONCE)]
        outputs += [begin(made, call(version, seed)) for seed in (4, 5)]
        await until(lambda: len(version.began) == calls.AT_ONCE)
        assert made.waiting == 2
        version.go.set()
        assert [await image(each) for each in outputs] == [[1]] * calls.AT_ONCE + [[5], [6]]
        assert made.waiting == 0

    run(test)


def test_a_request_at_fault_fails_alone(version):
    async def test(made):
        wrong, right = begin(made, call(version, -1)), begin(made, call(version, 2))
        with pytest.raises(RequestError, match="negative"):
            await wrong
        assert await image(right) == [3]

    run(test)


def test_a_small_request_has_its_turn_between_the_parts_of_large_ones(version):
    async def test(made):
        large = [begin(made, call(version, *range(8), nb_step=200)) for _ in range(calls.AT_ONCE)]
        await until(lambda: len(version.began) == calls.AT_ONCE)
        small = begin(made, call(version, 9))
        await until(lambda: made.waiting)
        version.go.set()
        assert [await image(each) for each in large] == [list(range(200, 208))] * calls.AT_ONCE
        assert await image(small) == [10]

    assert sorted(run(test)) == [1, 1, 1, 3, 3, 4, 4]
    assert version.began[2] == [9]


def test_a_part_at_fault_is_found_by_its_place(version):
    async def test(made):
        with pytest.raises(RequestError, match=r"^after row 5: a seed is negative$"):
            await made.outputs(call(version, 1, 2, 3, 4, 5, -1, nb_step=200))

    run(test)


def test_what_nobody_waits_for_any_more_is_not_called(version):
    async def test(made):
        first = [begin(made, call(version, 0, 6, nb_step=200)) for _ in range(calls.AT_ONCE)]
        given_up, waits = begin(made, call(version, 1)), begin(made, call(version, 2))
        await until(lambda: made.waiting == 2)
        for each in (given_up, *first):  # those that have begun end after the part in progress
            each.cancel()
        await until(lambda: made.waiting == 0)
        version.go.set()
        assert await image(waits) == [3]

    run(test)
    assert version.began == [[0]] * calls.AT_ONCE + [[2]]


def test_a_full_queue_rejects_with_a_time(version):
    async def test(made):
        begun = [begin(made, call(version, 0)) for _ in range(calls.AT_ONCE + calls.MAX_WAITING)]
        await until(lambda: len(version.began) == calls.AT_ONCE)
        with pytest.raises(RequestError) as rejected:
            await made.outputs(call(version, 0))
        assert (rejected.value.status, rejected.value.retry_after) == (429, 5)
        version.go.set()
        assert all([await image(each) == [1] for each in begun])
        assert await image(made.outputs(call(version, 0))) == [1]

    run(test)


def test_more_than_can_be_done_in_time_is_rejected_at_once(monkeypatch):
    monkeypatch.setattr(calls, "PART_SECONDS", 0.02)
    version = StandInVersion(seconds=0.01)

    async def test(made):
        await made.outputs(call(version, *range(1, 9)))  # measures the speed: 100 images a second
        begun = [begin(made, call(version, *range(1, 9))) for _ in range(40)]
        found = await asyncio.gather(*begun, return_exceptions=True)
        rejected = [each for each in found if isinstance(each, RequestError)]
        assert 0 < 40 - len(rejected) <= 25  # as many as two threads do in a second
        assert {(each.status, each.retry_after) for each in rejected} == {(429, 5)}

    run(test, patience=2)


def test_more_than_the_model_takes_is_not_queued(version):
    with pytest.raises(RequestError, match="9 images in 1 step: one request may ask for at most 8"):
        call(version, *range(9))


def test_more_steps_than_allowed_are_rejected_without_images_too():
    assert call(StandInVersion(most_rows=1)).rows == 0
    with pytest.raises(RequestError, match="3000 steps: one request may ask for at most 1000 "):
        call(StandInVersion(most_rows=0), nb_step=3000)


def test_the_texts_of_a_file_are_not_read_to_count_its_pixels(monkeypatch):
    texts = PngInfo()
    texts.add_text("large", "a" * 900_000, zip=True)
    png = io.BytesIO()
    Image.new("L", (20, 30)).save(png, "PNG", pnginfo=texts)
    monkeypatch.setattr(Image, "open", None)
    assert calls._pixels([png.getvalue()] * 2) == 1200


def test_files_with_more_pixels_than_can_be_decoded_in_time_are_rejected():
    png = io.BytesIO()
    Image.new("1", (4096, 4096)).save(png, "PNG")  # 2 kilobytes
    files = np.array([png.getvalue()] * 16 + [b"no image"], object)
    version = StandInVersion(most_rows=256)
    inputs = {"nb_step": np.array(1), "image_bytes": files}
    assert Call(version, GENERATE, inputs).rows == 17
    with pytest.raises(
        RequestError, match="285,212,672 pixels in 18 files: one request may"
    ) as error:
        more = np.append(files, np.array([png.getvalue()], object))
        Call(version, GENERATE, inputs | {"image_bytes": more})
    assert error.value.status == 413
