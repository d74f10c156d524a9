"""Options of TensorFlow that hold before it is imported."""

import os
import subprocess
import sys

import pytest

NAME = "TF_ENABLE_ONEDNN_OPTS"


@pytest.mark.parametrize(
    "package", ["components", "iadb", "pipeline.cli", "pipeline.runners.kubeflow", "trainer"]
)
@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_onednn_is_on_unless_the_environment_says_otherwise(package, given, expected):
    environment = {key: value for key, value in os.environ.items() if key != NAME}
    if given is not None:
        environment[NAME] = given
    code = f"import os, sys, {package}; print(os.environ['{NAME}'], 'tensorflow' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{expected} False\n"
