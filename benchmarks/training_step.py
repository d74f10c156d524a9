"""A training step and sampling, beside PyTorch and the TensorFlow port, in turn on equal threads.

The official loop runs in PyTorch's eager mode, in both memory formats; the better one counts.
"""

import json
from collections.abc import Iterator

from benchmarks.alternating import PEER_PYTHON, Worker, alternate
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
    yield Figure("training step: ours to official", ratio, "times", "at least 1.0", ratio >= 1)
    gflop = next(iter(official.values())).ask("gflop", batch_size=BATCH)
    peak = ours.ask("peak", side=2048)
    share = 100 * STEPS * gflop / seconds["ours"] / peak
    yield Figure("peak, by a float32 product of 2048", peak, "GFLOP/s")
    yield Figure("training step: share of the peak", share, "%")

    seconds = alternate(workers, ROUNDS, "sample", batch_size=BATCH, nb_step=NFE)
    for name, value in seconds.items():
        yield Figure(f"sampling, {NFE} NFE: {name}", BATCH / value, "images/s")
    ratio = min(seconds[name] for name in official) / seconds["ours"]
    yield Figure("sampling: ours to official", ratio, "times", "at least 1.0", ratio >= 1)
    both = {"sample": [], "sample_eagerly": []}
    for _ in range(ROUNDS):
        for name, values in both.items():
            values.append(ours.ask(name, batch_size=BATCH, nb_step=NFE))
    ratio = sorted(both["sample_eagerly"])[ROUNDS // 2] / sorted(both["sample"])[ROUNDS // 2]
    yield Figure("sampling: ours to the eager loop", ratio, "times", "at least 3.0", ratio >= 3)
    for worker in workers.values():
        worker.close()
