"""The lines of nodes on the terminal."""

import io
import logging

from rich.console import Console

from components.image_example_gen import names
from pipeline.console.node_lines import NodeLines


def test_what_will_be_judged_is_printed_once_when_the_images_are_known(caplog):
    caplog.set_level(logging.INFO)
    console = Console(file=io.StringIO())
    lines = NodeLines(console, announce=lambda: ["[red]2 held out", "enough"])
    for _ in range(2):
        lines.finished(names.NODE, 1.0, cached=True)
    printed = console.file.getvalue().splitlines()
    assert printed[1:3] == ["  [red]2 held out", "  enough"]
    assert len(printed) == 4
    assert caplog.messages == ["[red]2 held out", "enough"]


def test_each_pipeline_run_is_announced_once_when_its_first_node_starts():
    begun = []
    lines = NodeLines(Console(file=io.StringIO()), begun.append)
    for node, run in (("ImageExampleGen", "a"), ("Trainer", "a"), ("Pusher", "b")):
        lines.started(node, run)
        lines.finished(node, 1.0, cached=False)
    assert begun == lines.run_ids == ["a", "b"]
