"""Workers that take turns: each is a separate process, idle while another one works.

A slow phase of the machine then affects all peers equally.
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Hashable
from pathlib import Path
from statistics import median
from typing import Any

WORKERS = Path(__file__).with_name("workers")
PEER_PYTHON = Path(__file__).parents[1] / ".venv-parity" / "bin" / "python"  # with PyTorch


class Worker:
    """A script of benchmarks/workers/ that responds to requests, one line of JSON each.

    Its standard input and output carry the JSON; all other output goes to standard error.
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
            script: file name in benchmarks/workers/.
            arguments: arguments of the script.
            python: the interpreter.
            cores: cores that it may use, with one thread each; by default all.

        Raises:
            FileNotFoundError: the interpreter does not exist.
        """
        if not python.exists():
            raise FileNotFoundError(f"{python} is missing: `make bench` creates it")
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
        """Calls the worker's function `do` and returns its result.

        Raises:
            RuntimeError: the worker exited without responding.
        """
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args[1]} exited with {self._process.wait()}")
        return json.loads(answer)

    def close(self) -> None:
        """Stops the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def alternate(workers: dict[Any, Worker], rounds: int, do: str, **arguments: Any) -> dict:
    """Calls all workers in turn, `rounds` times after one round of warm-up.

    Returns:
        The median of the results, which must be numbers, by the worker's key.
    """
    answers = take_turns(workers, rounds, do, **arguments)
    return {name: median(values) for name, values in answers.items()}


def take_turns(workers: dict[Any, Worker], rounds: int, do: str, **arguments: Any) -> dict:
    """Calls all workers in turn, `rounds` times after one round of warm-up.

    Returns:
        The results of the rounds, a list by the worker's key.
    """
    answers: dict[Hashable, list[Any]] = {name: [] for name in workers}
    for turn in range(rounds + 1):
        for name, worker in workers.items():
            answer = worker.ask(do, **arguments)
            if turn:
                answers[name].append(answer)
    return answers
