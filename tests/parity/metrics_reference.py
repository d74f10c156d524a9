"""Writes features, and the values that other implementations of the metrics compute from them.

    python tests/parity/metrics_reference.py FOLDER NAME...

Runs in a separate environment (`make parity`) with clean-fid, torch-fidelity and prdc but without
this project. FOLDER/NAME.npz contains, without pickle, for each pair of arrays:

    PAIR/real, PAIR/generated     [N, d] and [M, d]
    PAIR/PEER/VALUE               a number; VALUE is a key of metrics_comparison.compute

The committed fixtures/metrics.npz was written by `... tests/parity/fixtures metrics` with clean-fid
0.1.35, torch-fidelity 0.4.0 and prdc 0.2.
"""

import sys
from pathlib import Path

import numpy as np
import prdc
import torch
from cleanfid import fid
from sklearn.datasets import load_digits
from torch_fidelity import metric_fid, metric_kid, metric_prc

NEAREST_K, SUBSETS, SUBSET_SIZE, SEED = 5, 10, 50, 2020  # as in metrics_comparison.py


def random_pair(n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns correlated normal features in float32, like those of networks; the sets differ."""
    random = np.random.RandomState(0)
    mixing = random.standard_normal((d, d)) / np.sqrt(d)
    real = random.standard_normal((n, d)) @ mixing
    generated = 0.9 * random.standard_normal((m, d)) @ mixing + 0.1
    return real.astype(np.float32), generated.astype(np.float32)


def digits_pair(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns pixels of scikit-learn's digits, 0 to 16, among which many distances are equal.

    The generated images are other digits, every fourth shifted by one pixel. The borders, zero in
    nearly all images, are cropped, so that the covariances are not singular.
    """
    images = np.random.RandomState(0).permutation(load_digits().images)[: n + m].astype(np.uint8)
    real, generated = images[:n], images[n:].copy()
    generated[::4] = np.roll(generated[::4], 1, axis=1)
    return tuple(part[:, :, 2:6].reshape(len(part), -1) for part in (real, generated))


SETS = {
    "metrics": {"random": (150, 130, 12), "digits": (200, 180)},
    "many": {"random": (3000, 2500, 256), "digits": (900, 897)},
}
PAIRS = {"random": random_pair, "digits": digits_pair}


def clean_fid(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """Computes the distances of clean-fid. KID uses all rows, the same number on both sides."""
    moments = [f(x) for x in (real, generated) for f in (_mean, _covariance)]
    rows = min(len(real), len(generated))
    return {
        "frechet_distance": fid.frechet_distance(*moments),
        "kid": fid.kernel_distance(
            real[:rows], generated[:rows], num_subsets=1, max_subset_size=rows
        ),
    }


def _mean(x: np.ndarray) -> np.ndarray:
    return x.mean(axis=0)


def _covariance(x: np.ndarray) -> np.ndarray:
    return np.cov(x, rowvar=False)


def torch_fidelity(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """Computes the distances, precision and recall of torch-fidelity."""
    real, generated = torch.from_numpy(real), torch.from_numpy(generated)
    moments = [metric_fid.fid_features_to_statistics(x) for x in (real, generated)]
    rows = min(len(real), len(generated))
    kid = {"rng_seed": SEED, "verbose": False}
    full = metric_kid.kid_features_to_metric(
        real[:rows], generated[:rows], kid_subsets=1, kid_subset_size=rows, **kid
    )
    subsets = metric_kid.kid_features_to_metric(
        real, generated, kid_subsets=SUBSETS, kid_subset_size=SUBSET_SIZE, **kid
    )
    neighbors = metric_prc.prc_features_to_metric(  # expects the generated features first
        generated, real, prc_neighborhood=NEAREST_K, verbose=False
    )
    return {
        "frechet_distance": metric_fid.fid_statistics_to_metric(*moments, verbose=False)[
            metric_fid.KEY_METRIC_FID
        ],
        "kid": full[metric_kid.KEY_METRIC_KID_MEAN],
        "kid_over_subsets_mean": subsets[metric_kid.KEY_METRIC_KID_MEAN],
        "kid_over_subsets_stddev": subsets[metric_kid.KEY_METRIC_KID_STD],
        "precision": neighbors[metric_prc.KEY_METRIC_PRECISION],
        "recall": neighbors[metric_prc.KEY_METRIC_RECALL],
    }


def write(name: str, path: Path) -> None:
    """Writes the archive of one set of pairs."""
    content: dict[str, np.ndarray | float] = {}
    for pair, sizes in SETS[name].items():
        real, generated = PAIRS[pair](*sizes)
        content |= {f"{pair}/real": real, f"{pair}/generated": generated}
        real, generated = real.astype(np.float64), generated.astype(np.float64)
        values = {
            "clean-fid": clean_fid(real, generated),
            "torch-fidelity": torch_fidelity(real, generated),
            "prdc": prdc.compute_prdc(real, generated, nearest_k=NEAREST_K),
        }
        if pair == "digits":  # counts points on the surface of a ball; ours and prdc do not
            del values["torch-fidelity"]["precision"], values["torch-fidelity"]["recall"]
        content |= {
            f"{pair}/{peer}/{value}": number
            for peer, numbers in values.items()
            for value, number in numbers.items()
        }
    np.savez_compressed(path, **content)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        write(name, folder / f"{name}.npz")
