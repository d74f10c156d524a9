"""GPUs, as far as they are seen without TensorFlow."""

import pytest

from trainer.light import gpus


@pytest.mark.parametrize(
    ("given", "device", "installed", "driver", "said"),
    [
        (None, False, False, False, ""),
        ("0", False, False, False, ""),
        ("2", True, True, True, ""),
        ("1", False, True, True, "the GPU that was asked for is not visible in this container; "),
        ("1", True, False, True, "the GPU stays idle, since this image has no CUDA libraries: bu"),
        ("1", True, True, False, "the GPU stays idle, since libnone.so.1, the library of its dri"),
    ],
)
def test_a_pod_says_why_its_gpu_stays_idle(
    tmp_path, monkeypatch, given, device, installed, driver, said
):
    if device:
        (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(gpus, "DEVICES", f"{tmp_path}/nvidia[0-9]*")
    monkeypatch.setattr(gpus, "CUDA_LIBRARIES", ("json" if installed else "no_such", "no-such"))
    monkeypatch.setattr(gpus, "DRIVER", "libc.so.6" if driver else "libnone.so.1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is None:
        monkeypatch.delenv(gpus.GIVEN, raising=False)
    else:
        monkeypatch.setenv(gpus.GIVEN, given)
    assert gpus.why_idle().startswith(said) and bool(gpus.why_idle()) == bool(said)


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, "0,1"),
        ("", None),
        ("-1", None),
        ("1,0", "1,0"),
        ("2", None),
        ("1,2,0", "1"),
        ("0,-1,1", "0"),
        ("GPU-8932f937", "GPU-8932f937"),
    ],
)
def test_gpus_are_those_that_cuda_would_find(tmp_path, monkeypatch, visible, found):
    for number in range(2):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setattr(gpus, "DEVICES", f"{tmp_path}/nvidia[0-9]*")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.find() == found


def test_a_gpu_that_windows_shares_is_found(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "DEVICES", f"{tmp_path}/nvidia[0-9]*")
    monkeypatch.setattr(gpus, "WSL_DRIVER", f"{tmp_path}/libcuda.so.1")
    assert gpus.find() is None
    (tmp_path / "libcuda.so.1").touch()
    assert gpus.find() == "0"
