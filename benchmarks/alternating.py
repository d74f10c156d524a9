"""Workers that take turns: each a process of its own, idle while another one works.

Peers measured this way share the machine's moods: what slows one round slows it for all of them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from statistics import median
from typing import Any

WORKERS = Path(__file__).with_name("workers")
PEER_PYTHON = Path(__file__).parents[1] / ".venv-parity" / "bin" / "python"  # has PyTorch


class Worker:
    """A script of benchmarks/workers/ that answers requests, a line of JSON each.

    Its standard input and output carry the JSON; what else it says goes to standard error.
    """

    def __init__(
        self,
        script: str,
        *arguments: str,
        python: Path = Path(sys.executable),
        cores: Collection[int] = (),
    ) -> None:
        """Starts the script.

        Args:
            script: of benchmarks/workers/.
            arguments: of the script.
            python: the interpreter.
            cores: that it may use, with a thread for each; without them, all there are.

        Raises:
            FileNotFoundError: the interpreter is not there.
        """
        if not python.exists():
            raise FileNotFoundError(f"{python} is missing: `make bench` makes it")
        cores = cores or os.sched_getaffinity(0)
        self._process = subprocess.Popen(
            [python, WORKERS / script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "BENCHMARK_THREADS": str(len(cores)),
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
        )
        os.sched_setaffinity(self._process.pid, cores)

    def ask(self, do: str, **arguments: Any) -> Any:
        """Calls the worker's function `do`, and returns what it returns.

        Raises:
            RuntimeError: the worker ended instead of answering.
        """
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args[1]} ended with {self._process.wait()}")
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def alternate(workers: dict[str, Worker], rounds: int, do: str, **arguments: Any) -> dict:
    """Asks all workers in turn, `rounds` times after one round to warm up.

    Returns:
        The median of the answers, numbers all, by the worker's name.
    """
    answers: dict[str, list[float]] = {name: [] for name in workers}
    for turn in range(rounds + 1):
        for name, worker in workers.items():
            answer = worker.ask(do, **arguments)
            if turn:
                answers[name].append(answer)
    return {name: median(values) for name, values in answers.items()}
