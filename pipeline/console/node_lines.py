"""A line on the terminal for each node of a run, and its progress until then."""

import logging
from collections.abc import Callable
from contextlib import ExitStack

from rich.console import Console

from components import names as tfx_names
from components.atomic_pusher import names as pusher_names
from components.drift_gate import names as drift_names
from components.image_example_gen import names as example_names
from components.real_features import names as feature_names
from components.sample_evaluator import names as evaluator_names
from pipeline.console.progress import showing

WORK = {  # what a node does, for those that can take a while
    example_names.NODE: "converting the images",
    tfx_names.STATISTICS_GEN: "computing statistics of the images",
    tfx_names.TRANSFORM: "building the graph that decodes the images",
    drift_names.NODE: "comparing with earlier images",
    feature_names.NODE: "computing features of the real images",
    evaluator_names.NODE: "judging the model",
    pusher_names.NODE: "copying the model",
    evaluator_names.STUDENT_NODE: "judging the student",
    pusher_names.STUDENT_NODE: "copying the student",
}


class NodeLines:
    """Prints a line for each node when it finishes, and shows its progress while it runs.

    Args:
        console: to print on.
        begun: is called with the id of each run before its first node starts.
        announce: returns lines on the images and what will be judged; they are printed once, when
            ImageExampleGen has finished.

    Attributes:
        run_ids: TFX's ids of the runs whose nodes have started.
        error: what the failed node raised, or None.
    """

    def __init__(
        self,
        console: Console,
        begun: Callable[[str], None] = lambda run_id: None,
        announce: Callable[[], list[str]] = list,
    ) -> None:
        self.console = console
        self._begun = begun
        self._announce = announce
        self.run_ids: list[str] = []
        self.error: BaseException | None = None
        self._shown = ExitStack()

    def started(self, node_id: str, run_id: str) -> None:
        """Shows that the node runs."""
        if run_id not in self.run_ids:
            self.run_ids.append(run_id)
            self._begun(run_id)
        work = f": {WORK[node_id]}" if node_id in WORK else ""
        self._shown.enter_context(showing(self.console, f"{node_id}{work}"))

    def finished(self, node_id: str, seconds: float, *, cached: bool) -> None:
        """Prints that the node succeeded, and what is known once the images are."""
        self._line("[green]✓[/]", node_id, "[dim]cached[/]" if cached else f"{seconds:.1f} s")
        if node_id == example_names.NODE:
            for line in self._announce():
                logging.info("%s", line)
                self.console.print(f"  {line}", markup=False, soft_wrap=True)
            self._announce = list

    def skipped(self, node_id: str) -> None:
        """Prints that the node had nothing to do."""
        self._line("[dim]-[/]", node_id, "[dim]skipped[/]")

    def failed(self, node_id: str, seconds: float, error: BaseException) -> None:
        """Prints that the node failed; the reason comes last, after all lines."""
        self.error = error
        what = "interrupted" if isinstance(error, (KeyboardInterrupt, SystemExit)) else "failed"
        self._line("[red]✗[/]", node_id, f"[red]{what}[/] after {seconds:.1f} s")

    def _line(self, mark: str, node_id: str, text: str) -> None:
        self._shown.close()
        self.console.print(f"{mark} {node_id:<18} {text}")
