"""Training step and sampling: ours, PyTorch and the TensorFlow port, in turn on equal threads.

PyTorch trains eagerly and by torch.compile, in float32 and by autocast in bfloat16, each in both
memory formats. It takes the step of the official loop, which neither clips gradients nor averages
weights; ours does both. Ours in float32 is compared with the fastest of PyTorch in float32, ours in
bfloat16 with the fastest of all. BENCHMARK_PRECISIONS=float32 leaves out bfloat16, of which a step
takes many times as long where the CPU emulates it.
"""

import json
from collections.abc import Iterator
from statistics import median

from benchmarks import settings
from benchmarks.alternating import PEER_PYTHON, Worker, alternate
from benchmarks.datasets import DIGITS_NETWORK
from benchmarks.measure import BenchmarkError, Figure
from benchmarks.workers.modes import MODES, SKIPPED, Mode

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
PRECISIONS, VARIABLE = ("float32", "bfloat16"), "BENCHMARK_PRECISIONS"
SPEED_UP, SHARE = 1.5, 60  # bars of the training step
PEAK_SIDE = 2048
PUBLISHED = Mode(compiled=False, precision="float32")  # as the official loop samples


def figures() -> Iterator[Figure]:
    """Measures all sides with the same network and batch."""
    if SKIPPED:
        print(f"  {SKIPPED}", flush=True)
    network, precisions = json.dumps(NETWORK), settings.chosen(PRECISIONS, VARIABLE)
    if "float32" not in precisions:
        raise BenchmarkError(f"{VARIABLE}: sampling is compared in float32; add it")
    for precision in PRECISIONS:
        if precision not in precisions:
            print(f"  {precision} is left out", flush=True)
    ours = {
        precision: Worker("ours.py", network, json.dumps({"precision": precision}))
        for precision in precisions
    }
    official = {
        (mode, last): Worker(
            "official.py",
            network,
            str(int(last)),
            str(int(mode.compiled)),
            mode.precision,
            python=PEER_PYTHON,
        )
        for mode in MODES
        for last in (False, True)
        if mode.precision in precisions
    }
    counts = {worker.ask("parameters") for worker in (*ours.values(), *official.values())}
    assert len(counts) == 1, f"the networks differ: {counts} weights"
    yield from _training(ours, official)

    plain = {_name(mode, last): w for (mode, last), w in official.items() if mode == PUBLISHED}
    workers = {"ours, float32": ours["float32"], **plain}
    seconds = alternate(workers, ROUNDS, "sample", batch_size=BATCH, nb_step=NFE)
    for name, value in seconds.items():
        yield Figure(f"sampling, {NFE} NFE: {name}", BATCH / value, "images/s")
    ratio = min(seconds[name] for name in plain) / seconds["ours, float32"]
    yield Figure("sampling: speed-up over official", ratio, "times", "at least 1.0", ratio >= 1)
    ratio, with_our_layers = _beside_the_eager_loop(ours["float32"])
    name = "sampling: speed-up over the eager loop"
    yield Figure(name, ratio, "times", "at least 3.0", ratio >= 3)
    yield Figure(f"{name} with our layers", with_our_layers, "times")
    for worker in (*ours.values(), *official.values()):
        worker.close()
    small = Worker("ours.py", json.dumps(DIGITS_NETWORK))
    ratio, with_our_layers = _beside_the_eager_loop(small)
    yield Figure(f"{name}, network of the digits", ratio, "times")
    yield Figure(f"{name} with our layers, network of the digits", with_our_layers, "times")
    small.close()


def _training(
    ours: dict[str, Worker], official: dict[tuple[Mode, bool], Worker]
) -> Iterator[Figure]:
    workers = ours | official
    seconds = alternate(workers, ROUNDS, "train", batch_size=BATCH, steps=STEPS)
    for side in workers:
        name = f"ours, {side}" if side in ours else _name(*side)
        yield Figure(f"training step: {name}", STEPS * BATCH / seconds[side], "images/s")
    gflop = next(iter(official.values())).ask("gflop", batch_size=BATCH)
    for precision, worker in ours.items():
        rivals = [
            seconds[mode, last]
            for mode, last in official
            if precision == "bfloat16" or mode.precision == "float32"
        ]
        about = f"training step, {precision}"
        ratio = min(rivals) / seconds[precision]
        bar = f"at least {SPEED_UP}", ratio >= SPEED_UP
        yield Figure(f"{about}: speed-up over the fastest of PyTorch", ratio, "times", *bar)
        peak = worker.ask("peak", side=PEAK_SIDE)
        share = 100 * STEPS * gflop / seconds[precision] / peak
        yield Figure(f"peak of a {PEAK_SIDE}x{PEAK_SIDE} {precision} product", peak, "GFLOP/s")
        bar = f"at least {SHARE}", share >= SHARE
        yield Figure(f"{about}: share of the peak", share, "%", *bar)


def _name(mode: Mode, channels_last: bool) -> str:
    return f"official, {mode}, channels {'last' if channels_last else 'first'}"


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
