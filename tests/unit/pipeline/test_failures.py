import ast
import contextlib
import errno
import re
import sqlite3
import subprocess
import sys

import apache_beam as beam
import pytest
import tensorflow as tf

from components.data_gate import DataAnomalyError
from components.drift_gate.component import DriftError
from components.features.digest import FeatureError
from components.image_example_gen.errors import ImageDataError
from components.parameters import ParameterError
from data.errors import DataError
from pipeline import failures
from pipeline.config.pipeline_config import ConfigError
from pipeline.registry import lineage
from pipeline.registry.journal import Journal
from pipeline.registry.serving import NoModelError
from pipeline.workspace import InUseError, WorkspaceError
from tests.recorded import Recorded
from tests.small_disk import needs_mount, on_disk
from trainer.common import exit_codes
from trainer.labels import TooFewClassesError
from trainer.serving.stored_model import ModelArgumentError

# Writes to ML Metadata on a full disk.
FULL_STORE = """
import pathlib, sys
from pipeline import failures
from pipeline.registry import lineage
from tests.recorded import Recorded
from tests.small_disk import filled

folder = pathlib.Path(sys.argv[1])
Recorded(folder / "metadata.sqlite", folder / "artifacts").run()
store = lineage.connect(folder / "metadata.sqlite")
artifacts = store.get_artifacts()
for artifact in artifacts:
    artifact.custom_properties["note"].string_value = "x" * 10_000
with filled(folder):
    try:
        store.put_artifacts(artifacts)
    except Exception as error:
        print(failures.describe(error))
"""
FULL, FREE = "the disk is full", "free some space"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("a\nb"), exit_codes.USAGE, "a\nb"),
        (ConfigError("a\n\x1b[1mb"), exit_codes.USAGE, "a\n\\x1b[1mb"),
        (ImageDataError("a\nb\x1b[1m"), exit_codes.DATA, r"a\nb\x1b[1m"),
        (NoModelError("none"), exit_codes.USAGE, "none"),
        (ModelArgumentError("none"), exit_codes.USAGE, "none"),
        (FeatureError("no weights"), exit_codes.USAGE, "no weights"),
        (ParameterError("steps"), exit_codes.USAGE, "steps"),
        (TooFewClassesError("one"), exit_codes.DATA, "one"),
        (DataError("bad"), exit_codes.DATA, "bad"),
        (ImageDataError("bad"), exit_codes.DATA, "bad"),
        (DataAnomalyError("bad"), exit_codes.DATA, "bad"),
        (DriftError("drifted"), exit_codes.HELD, "drifted"),
        (InUseError("busy"), exit_codes.WORKSPACE, "busy"),
        (WorkspaceError("busy"), exit_codes.WORKSPACE, "busy"),
        (OSError(errno.ENOSPC, "x", "/f"), exit_codes.WORKSPACE, f"{FULL}: /f; {FREE}"),
        (OSError(errno.EACCES, "x", "/f"), exit_codes.WORKSPACE, "permission denied: /f"),
        (
            RuntimeError("one\nwriting /a/b.c; No space left on device\nmore"),
            exit_codes.WORKSPACE,
            f"{FULL}: /a/b.c; {FREE}",
        ),
        (
            RuntimeError("gs://a/b: Permission denied"),
            exit_codes.WORKSPACE,
            "permission denied: gs://a/b: Permission denied",
        ),
        (  # of ML Metadata
            RuntimeError(
                'Cannot create node for goo.gle/x uri: "/w/a/1" Error when executing query: '
                "database or disk is full query:  INSERT INTO `Artifact` VALUES(10, '/w/a/1');"
            ),
            exit_codes.WORKSPACE,
            f"{FULL}: /w/a/1; {FREE}",
        ),
        (
            RuntimeError("executing query: database or disk is full query:  UPDATE `Execution`"),
            exit_codes.WORKSPACE,
            f"{FULL}; {FREE}",
        ),
        (  # the path in a statement is not where it was written
            RuntimeError("executing query: disk is full query:  UPDATE `Artifact` SET uri='/w/a'"),
            exit_codes.WORKSPACE,
            f"{FULL}; {FREE}",
        ),
        (
            OSError(errno.EFBIG, "File too large", "/w/a"),
            exit_codes.WORKSPACE,
            "the file would exceed the limit on its size (ulimit -f): /w/a",
        ),
        (KeyError("x"), exit_codes.UNEXPECTED, "KeyError: 'x'"),
        (ValueError("one\ntwo"), exit_codes.UNEXPECTED, "ValueError: one"),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "Graph execution error:\n\nOOM when allocating tensor with shape[9]\n"
            ),
            exit_codes.UNEXPECTED,
            "the memory ran out: lower evaluate.batch_size or train.batch_size (OOM when "
            "allocating tensor with shape[9])",
        ),
        (
            tf.errors.ResourceExhaustedError(
                None,
                None,
                "Graph execution error:\n\nOut of memory while trying to allocate 9\n",
            ),
            exit_codes.UNEXPECTED,
            "the memory ran out: lower evaluate.batch_size or train.batch_size (Out of memory "
            "while trying to allocate 9)",
        ),
        (
            tf.errors.InternalError(
                None,
                None,
                "Graph execution error:\n\nDetected at node x:\n\nno algorithm worked\n"
                "\t [[{{node x}}]] [Op:__inference_f]",
            ),
            exit_codes.UNEXPECTED,
            "InternalError: no algorithm worked",
        ),
        (
            tf.errors.InternalError(
                None,
                None,
                "Graph execution error:\n\n2 root error(s) found.\n  (0) INTERNAL:  no algorithm\n"
                "\t [[{{node x}}]]\n\t [[Identity/_4]]\n  (1) CANCELLED:  stopped\n"
                "\t [[{{node x}}]]\n0 successful operations.\n0 derived errors ignored. [Op:f]",
            ),
            exit_codes.UNEXPECTED,
            "InternalError: no algorithm",
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "/file; Too many open files"),
            exit_codes.UNEXPECTED,
            "ResourceExhaustedError: /file; Too many open files",
        ),
        (KeyboardInterrupt(), exit_codes.INTERRUPTED, "interrupted"),
        (KeyboardInterrupt("bye"), exit_codes.INTERRUPTED, "interrupted; bye"),
        (SystemExit(143), exit_codes.TERMINATED, "terminated"),
    ],
)
def test_a_failure_has_a_code_by_its_cause_and_a_line(error, code, text):
    assert failures.describe(error) == (code, text)


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (KeyboardInterrupt(), "interrupted; the next run resumes from here"),
        (KeyboardInterrupt("bye"), "interrupted; bye"),
        (SystemExit(143), "terminated; the next run resumes from here"),
    ],
)
def test_only_a_stop_of_what_can_be_resumed_says_so(stop, text):
    with pytest.raises(RuntimeError) as caught, failures.resumable(), failures.resumable():
        raise RuntimeError("of Beam") from stop
    assert failures.describe(caught.value)[1] == text


@pytest.mark.parametrize(
    ("stop", "code"), [(KeyboardInterrupt(), exit_codes.INTERRUPTED), (SystemExit(143), 143)]
)
def test_a_stop_within_a_function_that_beam_calls_is_one(stop, code):
    def stopped(_):
        raise stop

    pipeline = beam.Pipeline(argv=["--runner=FnApiRunner"])
    _ = pipeline | beam.Create([1]) | beam.Map(stopped)
    with pytest.raises(RuntimeError) as caught:
        pipeline.run()
    assert failures.describe(caught.value)[0] == code


@needs_mount
def test_ml_metadata_on_a_full_disk_is_described_in_one_line_without_sql(tmp_path):
    program = [sys.executable, "-c", FULL_STORE, tmp_path]
    result = subprocess.run(on_disk(tmp_path, "size=4m", program), capture_output=True, text=True)
    assert result.stderr == ""
    code, text = ast.literal_eval(result.stdout)
    assert code == exit_codes.WORKSPACE
    assert re.fullmatch(f"{FULL}(: {tmp_path}/artifacts/\\S+)?; {FREE}", text)


def test_output_onto_a_full_disk_is_lost_and_nothing_else():
    program = "from pipeline.failures import say; say('a'); say('b', error=True)"
    with open("/dev/full", "w") as full:
        subprocess.run([sys.executable, "-uc", program], stdout=full, stderr=full, check=True)


def damaged(path):
    path.write_text("no database\n" * 100)


@contextlib.contextmanager
def held(path):
    """Holds a database as another program does."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE x (y)")
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_a_damaged_database_is_named(tmp_path):
    for path, opens in (
        (tmp_path / "metadata.sqlite", lineage.connect),
        (tmp_path / "journal.sqlite", lambda path: Journal(path).unreleased()),
    ):
        damaged(path)
        with pytest.raises(Exception, match="not a database") as caught:
            opens(path)
        code, text = failures.describe(caught.value)
        assert code == exit_codes.WORKSPACE
        assert re.search(f"{path.name} .*: file is not a database(;|$)", text)


def test_a_database_without_a_table_is_named(tmp_path):
    path = tmp_path / "metadata.sqlite"
    Recorded(path, tmp_path / "artifacts").run()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE ParentContext")
        database.commit()
    with pytest.raises(WorkspaceError, match=f"^{path} cannot be opened: .*restore it from a back"):
        lineage.connect(path)


def test_a_database_that_is_lost_beside_artifacts_is_not_taken_for_a_new_one(tmp_path):
    path = tmp_path / "metadata.sqlite"
    assert lineage.runs(lineage.connect(path)) == []
    path.touch()
    assert lineage.runs(lineage.connect(path)) == []
    path.write_bytes(b"")
    (tmp_path / "artifacts" / "Trainer").mkdir(parents=True)
    with pytest.raises(WorkspaceError, match=r"is empty, though .* restore it from a backup"):
        lineage.connect(path)
    assert path.read_bytes() == b""
    path.unlink()
    with pytest.raises(WorkspaceError, match="is missing, though"):
        lineage.connect(path)
    assert not path.exists()


def test_a_database_that_another_program_holds_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.registry.journal._WAIT", 0.1)
    path = tmp_path / "journal.sqlite"
    with held(path), pytest.raises(sqlite3.Error) as caught:
        Journal(path).forget_holds([1])
    line = "journal.sqlite of the workspace: database is locked"
    assert failures.describe(caught.value) == (exit_codes.WORKSPACE, line)
