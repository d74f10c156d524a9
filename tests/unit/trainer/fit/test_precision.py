"""The precision of a training on CPUs and GPUs that multiply bfloat16 or not; none is used."""

import pytest
import tensorflow as tf

from trainer.fit.precision import resolve_precision
from trainer.options import TrainOptions


@pytest.fixture
def resolve(monkeypatch):
    """Resolves a precision on a CPU, or with GPUs of these compute capabilities."""

    def run(precision, on_cpu=False, gpus=()):
        monkeypatch.setattr("trainer.light.cpu.multiplies", lambda name: on_cpu)
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(gpus))
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda gpu: {"compute_capability": gpu} if gpu else {},
        )
        options = TrainOptions(steps=7, warmup_steps=0, precision=precision)
        resolved, line = resolve_precision(options, tf.distribute.get_strategy())
        assert resolved == options.model_copy(update={"precision": resolved.precision})
        return resolved.precision, line

    return run


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_precision_that_is_set_is_kept(resolve, precision):
    for on_cpu, gpus in ((True, []), (False, [(7, 5)]), (False, [(9, 0)])):
        assert resolve(precision, on_cpu, gpus) == (precision, "")
    assert resolve(precision)[0] == precision


def test_a_cpu_that_multiplies_bfloat16_trains_in_it(resolve):
    assert resolve("auto", on_cpu=True) == (
        "bfloat16",
        "train.precision=auto: bfloat16, supported by the CPU",
    )


def test_a_cpu_that_would_emulate_bfloat16_trains_in_float32(resolve):
    assert resolve("auto") == (
        "float32",
        "train.precision=auto: float32, since bfloat16 is not supported by the CPU",
    )


@pytest.mark.parametrize(
    ("gpus", "precision"),
    [
        ([(8, 0)], "bfloat16"),
        ([(9, 0), (8, 6)], "bfloat16"),
        ([(10, 0)], "bfloat16"),
        ([(7, 5)], "float32"),
        ([(9, 0), (7, 5)], "float32"),
        ([None], "float32"),  # of another maker
    ],
)
def test_gpus_decide_whatever_the_cpu_multiplies(resolve, gpus, precision):
    for on_cpu in (False, True):
        found, line = resolve("auto", on_cpu, gpus)
        assert found == precision
        assert line.endswith("supported by all GPUs")


def test_emulation_is_reported_in_one_line_with_the_way_out(resolve):
    assert resolve("bfloat16")[1] == (
        "train.precision=bfloat16 is emulated on this CPU, more than ten times slower than "
        "float32; to change it: --set train.precision=float32, or auto"
    )
    assert "float16 is emulated on this CPU" in resolve("float16")[1]
    assert resolve("float32")[1] == ""
