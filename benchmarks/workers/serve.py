"""The worker's side of benchmarks/alternating.py; uses only the standard library."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

THREADS = int(os.environ.get("BENCHMARK_THREADS", "1"))


def serve(functions: dict[str, Callable[..., Any]]) -> None:
    """Responds to requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries goes to standard error
    sys.stdout = sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        answer = functions[request.pop("do")](**request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
