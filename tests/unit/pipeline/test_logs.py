import json
import logging
import os
from datetime import datetime

from absl import logging as absl_logging

from pipeline.logs import logging_to


def test_logs_and_bare_standard_error_go_to_the_file(tmp_path, capfd):
    path = tmp_path / "run.log"
    with logging_to(path, verbose=False):
        logging.getLogger("somewhere").info("from python")
        os.write(2, b"from C++\n")
        print("for a person")
    os.write(2, b"after\n")
    text = path.read_text("utf-8")
    assert "I somewhere: from python" in text
    assert "from C++" in text
    out, err = capfd.readouterr()
    assert out == "for a person\n"
    assert err == "after\n"


def test_verbose_shows_what_goes_to_the_file(tmp_path, capfd):
    with logging_to(tmp_path / "run.log", verbose=True):
        logging.getLogger("somewhere").info("from python")
    assert "from python" in capfd.readouterr().err
    assert "from python" in (tmp_path / "run.log").read_text("utf-8")


def test_events_and_warnings_go_to_the_file_of_events_as_json_lines(tmp_path):
    events = tmp_path / "run.jsonl"
    with logging_to(tmp_path / "run.log", verbose=False, events=events):
        logging.info("chatter")
        logging.info("Trainer: done", extra={"event": {"node": "Trainer", "seconds": 1.5}})
        logging.getLogger("somewhere").warning("two\nlines, %s", "“ok”")
        try:
            raise ValueError("broken")
        except ValueError:
            logging.exception("The run failed.")
    done, warning, failure = map(json.loads, events.read_text("utf-8").splitlines())
    assert datetime.fromisoformat(done.pop("time")).tzinfo
    assert done == {
        "level": "INFO",
        "logger": "root",
        "message": "Trainer: done",
        "node": "Trainer",
        "seconds": 1.5,
    }
    assert (warning["level"], warning["logger"]) == ("WARNING", "somewhere")
    assert warning["message"] == "two\nlines, “ok”"
    assert "ValueError: broken" in failure["traceback"]
    assert "Trainer: done" in (tmp_path / "run.log").read_text("utf-8")


def test_what_absl_logs_is_in_the_file_whatever_level_a_library_has_set(tmp_path):
    before = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        with logging_to(tmp_path / "log", verbose=False):
            absl_logging.info("a detail")
        assert absl_logging.get_verbosity() == absl_logging.ERROR
    finally:
        absl_logging.set_verbosity(before)
    assert "a detail" in (tmp_path / "log").read_text()


def test_what_absl_logs_after_a_library_was_silent_is_in_the_file(tmp_path):
    with logging_to(tmp_path / "log", verbose=False):
        before = absl_logging.get_verbosity()  # as TensorFlow does where it saves a model
        absl_logging.set_verbosity(absl_logging.FATAL)
        absl_logging.info("silenced")
        absl_logging.set_verbosity(before)
        absl_logging.info("a detail")
    text = (tmp_path / "log").read_text()
    assert "a detail" in text and "silenced" not in text
