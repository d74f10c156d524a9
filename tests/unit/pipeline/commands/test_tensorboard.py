import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import tensorflow as tf

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()", "tensorboard"]


def training(workspace, key, loss, mtime):
    """Writes the logs of a training, last changed at mtime."""
    logs = workspace / "checkpoints" / key / "logs"
    with tf.summary.create_file_writer(str(logs)).as_default(step=1):
        tf.summary.scalar(loss, 1.0)
        tf.summary.flush()
    for file in logs.iterdir():
        os.utime(file, (mtime, mtime))


def test_the_newest_training_is_shown_on_loopback(tmp_path):
    training(tmp_path, "b", "newest", mtime=2_000)
    training(tmp_path, "a", "oldest", mtime=1_000)
    process = subprocess.Popen(
        [*COMMAND, "--workspace", str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    try:
        lines = iter(process.stderr.readline, "")
        url = next(m[0] for line in lines if (m := re.search(r"http://127\.0\.0\.1:\d+/", line)))
        assert "newest" in tags(url)
        assert "oldest" not in tags(url)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=200)[1]
        assert process.returncode == 0, rest
        assert "Traceback" not in rest
    finally:
        process.kill()


def tags(url):
    """The tags that TensorBoard has read, as JSON; reading may take it a moment."""
    end = time.monotonic() + 200
    while True:
        with urllib.request.urlopen(f"{url}data/plugin/timeseries/tags", timeout=200) as answer:
            text = answer.read().decode()
        if "est" in text:
            return text
        assert time.monotonic() < end, text
        time.sleep(0.2)


def test_without_a_training_the_error_names_the_command_that_starts_one(tmp_path):
    result = subprocess.run(
        [*COMMAND, "--workspace", str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert f"workspace {tmp_path}: not a workspace" in result.stderr
    (tmp_path / "metadata.sqlite").touch()
    result = subprocess.run(
        [*COMMAND, "--workspace", str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert result.stderr == f"iadb: no training in {tmp_path}; `iadb run` starts one\n"
