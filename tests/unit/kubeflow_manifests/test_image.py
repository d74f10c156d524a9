"""The contents of the nodes' image."""

import pathlib
import re

PROJECT = pathlib.Path(__file__).parents[3]
FOLDER = PROJECT / "kubeflow"


def text(path):
    return (PROJECT / path).read_text("utf-8")


def locked(path):
    """Versions by package."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text(path), re.MULTILINE))


def test_the_gpu_image_only_adds_the_cuda_libraries():
    every, gpu = locked("requirements.lock"), locked("kubeflow/requirements-gpu.lock")
    added = {name for name in gpu if name not in every}
    assert all(gpu[name] == every[name] for name in gpu if name not in added)
    assert added and all(re.fullmatch(r"nvidia-[a-z]+(-[a-z]+)?-cu12", name) for name in added)


def test_excluded_packages_are_in_the_lock_and_not_required_by_the_package():
    lines = text("kubeflow/excluded-packages.txt").splitlines()
    excluded = {line for line in lines if not line.startswith("#")}
    assert excluded <= set(locked("requirements.lock"))
    setup = text("setup.py")
    required = setup[setup.index("install_requires") : setup.index("extras_require")]
    assert not [name for name in excluded if f'"{name}' in required]
    tests = setup[setup.index("TEST = [") : setup.index("GPU =")]
    assert set(re.findall(r'"([a-z-]+)[=<>]', tests)) <= excluded


def test_the_same_uv_installs_everywhere():
    (version,) = re.findall(r"^UV_VERSION := (\S+)", text("Makefile"), re.MULTILINE)
    assert f"ARG UV_VERSION={version}\n" in text("kubeflow/Dockerfile")


def test_workers_of_beam_run_in_the_environment_of_the_image():
    instructions = text("docs/scale.md").partition("FROM registry.example.com/iadb-tfx")[2]
    assert "ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1\n" in instructions.partition("```")[0]


def test_the_build_context_has_every_copied_file():
    ignored = text(".dockerignore").splitlines()
    files = ("requirements.lock", "kubeflow/excluded-packages.txt", "setup.py", "README.md")
    for path in (*files, "LICENSE"):
        assert f"!{path}" in ignored
    (packages,) = re.findall(r"include=\[(.*)\]", text("setup.py"))
    for package in re.findall(r'"([a-z]+)\*?"', packages):
        assert f"!{package}" in ignored
