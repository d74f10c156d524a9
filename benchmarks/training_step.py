"""Training step and sampling: ours, PyTorch and the TensorFlow port, in turn on equal threads.

The official loop runs in PyTorch's eager mode in both memory formats; the faster one counts.
"""

import json
from collections.abc import Iterator
from statistics import median

from benchmarks.alternating import PEER_PYTHON, Worker, alternate
from benchmarks.datasets import DIGITS_NETWORK
from benchmarks.measure import Figure

NETWORK = {
    "side": 32,
    "image_channels": 3,
    "channels": (32, 64, 128),
    "blocks": 2,
    "attention": (False, True, False),
    "attention_head_dim": 8,
    "norm_groups": 32,
}
BATCH, STEPS, NFE, ROUNDS = 32, 8, 16, 7


def figures() -> Iterator[Figure]:
    """Measures all sides with the same network and batch."""
    network = json.dumps(NETWORK)
    ours = Worker("ours.py", network)
    official = {
        f"official, {name}": Worker("official.py", network, last, python=PEER_PYTHON)
        for name, last in (("channels first", "0"), ("channels last", "1"))
    }
    workers = {"ours": ours, **official}
    counts = {worker.ask("parameters") for worker in workers.values()}
    assert len(counts) == 1, f"the networks differ: {counts} weights"

    seconds = alternate(workers, ROUNDS, "train", batch_size=BATCH, steps=STEPS)
    for name, value in seconds.items():
        yield Figure(f"training step: {name}", STEPS * BATCH / value, "images/s")
    ratio = min(seconds[name] for name in official) / seconds["ours"]
    yield Figure(
        "training step: speed-up over official", ratio, "times", "at least 1.0", ratio >= 1
    )
    gflop = next(iter(official.values())).ask("gflop", batch_size=BATCH)
    peak = ours.ask("peak", side=2048)
    share = 100 * STEPS * gflop / seconds["ours"] / peak
    yield Figure("peak of a 2048x2048 float32 product", peak, "GFLOP/s")
    yield Figure("training step: share of the peak", share, "%")

    seconds = alternate(workers, ROUNDS, "sample", batch_size=BATCH, nb_step=NFE)
    for name, value in seconds.items():
        yield Figure(f"sampling, {NFE} NFE: {name}", BATCH / value, "images/s")
    ratio = min(seconds[name] for name in official) / seconds["ours"]
    yield Figure("sampling: speed-up over official", ratio, "times", "at least 1.0", ratio >= 1)
    ratio, with_our_layers = _beside_the_eager_loop(ours)
    name = "sampling: speed-up over the eager loop"
    yield Figure(name, ratio, "times", "at least 3.0", ratio >= 3)
    yield Figure(f"{name} with our layers", with_our_layers, "times")
    for worker in workers.values():
        worker.close()
    small = Worker("ours.py", json.dumps(DIGITS_NETWORK))
    ratio, with_our_layers = _beside_the_eager_loop(small)
    yield Figure(f"{name}, network of the digits", ratio, "times")
    yield Figure(f"{name} with our layers, network of the digits", with_our_layers, "times")
    small.close()


def _beside_the_eager_loop(ours: Worker) -> tuple[float, float]:
    """Returns our speed-up over the port, and over the port with our layers."""
    compiled, port, port_with_ours = [], [], []
    for turn in range(ROUNDS + 1):
        for answers, do, more in (
            (compiled, "sample", {}),
            (port, "sample_eagerly", {"own_layers": False}),
            (port_with_ours, "sample_eagerly", {"own_layers": True}),
        ):
            answer = ours.ask(do, batch_size=BATCH, nb_step=NFE, **more)
            if turn:  # the first turn is a warm-up
                answers.append(answer)
    return median(port) / median(compiled), median(port_with_ours) / median(compiled)
