"""How much new images differ from earlier ones, and how much of it is chance; on arrays.

Even two samples of the same images differ, and more so the smaller they are. A permutation test
measures how much: the images of both sides are divided at random, and the mean and the standard
deviation of the differences show what chance causes in samples of these sizes.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import jensenshannon
from sklearn.metrics.pairwise import euclidean_distances
from tfx.dsl.io import fileio

from components.drift_gate.options import DriftOptions
from trainer import examples

SCALARS = (
    examples.MEAN,
    examples.STDDEV,
    examples.SOURCE_WIDTH,
    examples.SOURCE_HEIGHT,
    examples.SOURCE_BYTES,
)
SOURCE_SCALARS = (examples.SOURCE_MEAN, examples.SOURCE_STDDEV)  # beside those, with data.source
FEATURES = "features"  # the name of the difference in features, beside those of the scalars
MIN_IMAGES = 20  # of each side; fewer are not compared
DIVISIONS = 20  # at random
DEVIATIONS = 5  # standard deviations above the mean that count as chance
BINS = 10  # of a histogram
LOW = 0.05  # quantile of the scalars of a side; fewer beyond it, or beyond 1 - LOW, are outliers


def space_of(features: str, shape: Sequence[int], paired: bool) -> str:
    """The `space` of a Sample.

    Args:
        features: describes the feature space.
        shape: of the images, (height, width, channels).
        paired: whether they have sources.
    """
    return f"{features}, {'x'.join(map(str, shape))}{', with sources' if paired else ''}"


@dataclass(frozen=True)
class Sample:
    """The images with the smallest keys of a population, sorted by key.

    Attributes:
        space: feature space and image shape; samples of different spaces cannot be compared.
        keys: bytes [N]; unique.
        scalars: float64 [N, S], in the order of SCALARS and SOURCE_SCALARS.
        vectors: float32 [N, d], the features; those of the sources follow.
    """

    space: str
    keys: np.ndarray
    scalars: np.ndarray
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: np.ndarray) -> "Sample":
        return Sample(self.space, self.keys[rows], self.scalars[rows], self.vectors[rows])

    def joined(self, other: "Sample") -> "Sample":
        """The rows of this sample, followed by those of another one of the same space."""
        arrays = ((getattr(each, name) for each in (self, other)) for name in _ARRAYS)
        return Sample(self.space, *(np.concatenate([*both]) for both in arrays))

    def merged(self, other: "Sample", size: int) -> "Sample":
        """A sample of the populations of this sample and another one of the same space."""
        both = self.joined(other)
        return both[np.unique(both.keys, return_index=True)[1][:size]]

    def save(self, uri: str) -> None:
        """Writes the sample as one file."""
        file = io.BytesIO()
        np.savez_compressed(file, **vars(self))
        with fileio.open(uri, "wb") as target:
            target.write(file.getvalue())

    @classmethod
    def load(cls, uri: str) -> "Sample":
        """Reads what `save` wrote."""
        with fileio.open(uri, "rb") as source:
            file = io.BytesIO(source.read())
        with np.load(file, allow_pickle=False) as arrays:
            return cls(str(arrays["space"]), *(arrays[name] for name in _ARRAYS))


_ARRAYS = ("keys", "scalars", "vectors")


@dataclass(frozen=True)
class Difference:
    """A difference between new images and earlier ones.

    Attributes:
        name: that of a scalar, or FEATURES.
        value: Jensen-Shannon divergence, or squared MMD.
        chance: the largest value that chance explains.
        limit: chance plus the allowance of the options; a larger value is drift.
    """

    name: str
    value: float
    chance: float
    limit: float

    @property
    def drifted(self) -> bool:
        """Whether the value exceeds the limit."""
        return self.value > self.limit


@dataclass(frozen=True)
class DriftResult:
    """The result of a comparison.

    Attributes:
        differences: one per number compared; empty without a comparison.
        summary: one line.
        reference: the sample to compare the next images with; None if there are no images yet.
    """

    differences: Sequence[Difference]
    summary: str
    reference: Sample | None

    @property
    def drifted(self) -> bool:
        """Whether any difference exceeds its limit."""
        return any(difference.drifted for difference in self.differences)

    def to_json(self) -> Mapping[str, Any]:
        """The content of verdict.json."""
        differences = [{**asdict(d), "drifted": d.drifted} for d in self.differences]
        return {"drifted": self.drifted, "summary": self.summary, "differences": differences}


def judge(newest: Sample | None, reference: Sample | None, options: DriftOptions) -> DriftResult:
    """Compares new images with earlier ones.

    The next reference is a random sample of all images since the last drift, so that slow changes
    are found although no day differs from the one before. After a drift the new images alone are
    the reference, or an accepted drift would be reported every day.

    Args:
        newest: sample of the new images; None if there are none.
        reference: sample of the images accepted before; None if there are none.
        options: the limits.
    """
    if newest is None:
        return DriftResult((), "not compared: no new images", reference)
    if reference is None:
        return DriftResult((), "not compared: no earlier images", newest)
    if newest.space != reference.space:
        why = "the earlier images have another size, or other features or sources"
        return DriftResult((), f"not compared: {why}", newest)
    together = reference.merged(newest, options.images)
    sides = f"{len(newest):,} new images against {len(reference):,} earlier ones"
    if min(len(newest), len(reference)) < MIN_IMAGES:
        return DriftResult(
            (), f"not compared: {sides}, at least {MIN_IMAGES} each required", together
        )
    kernel = _kernel(newest.vectors, reference.vectors)
    if not np.isfinite(kernel).all():
        why = "most features of the earlier images are equal, or some are not finite"
        return DriftResult((), f"not compared: {why}", together)
    differences = _differences(newest.joined(reference).scalars, kernel, len(newest), options)
    found = ", ".join(
        f"{d.name} {d.value:.2g} (limit {d.limit:.2g})" for d in differences if d.drifted
    )
    if not found:
        return DriftResult(differences, f"no drift: {sides}", together)
    return DriftResult(differences, f"{found}: {sides}", newest)


def _differences(
    scalars: np.ndarray, kernel: np.ndarray, count: int, options: DriftOptions
) -> list[Difference]:
    """The differences of all images, of which the first `count` are new, and those by chance."""
    rows = np.arange(len(scalars))
    generator = np.random.RandomState(0)  # its stream is frozen
    orders = [rows, *(generator.permutation(rows) for _ in range(DIVISIONS))]
    divisions = np.array([np.isin(rows, order[:count]) for order in orders])
    divergences = [_divergences(scalars[one], scalars[~one]) for one in divisions]
    columns = [*np.transpose(divergences), _distances(kernel, divisions)]
    names = (*(SCALARS + SOURCE_SCALARS)[: scalars.shape[1]], FEATURES)
    found = []
    for name, (value, *by_chance) in zip(names, columns, strict=True):
        chance = float(np.mean(by_chance) + DEVIATIONS * np.std(by_chance))
        allowed = options.max_feature_distance if name == FEATURES else options.max_divergence
        found.append(Difference(name, float(value), chance, chance + allowed))
    return found


def _divergences(one: np.ndarray, other: np.ndarray) -> list[float]:
    """The Jensen-Shannon divergence of each scalar: 0 for equal histograms, 1 for disjoint ones.

    One huge value would widen the bins until all others are in one of them: outliers are moved to
    where most of either side are, and as far again to each side.
    """
    quantiles = np.stack([np.quantile(side, (LOW, 1 - LOW), axis=0) for side in (one, other)])
    spans = np.diff(quantiles, axis=1)[:, 0]
    low, high = (quantiles[:, 0] - spans).min(axis=0), (quantiles[:, 1] + spans).max(axis=0)
    one, other = np.clip(one, low, high), np.clip(other, low, high)
    divergences = []
    for columns in zip(one.T, other.T, strict=True):
        edges = np.histogram_bin_edges(np.concatenate(columns), BINS)
        counts = [np.histogram(column, edges)[0] for column in columns]
        divergences.append(jensenshannon(*counts, base=2) ** 2)
    return divergences


def _kernel(newest: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The kernel exp(-|x - y|^2 / (2 b^2)) of all pairs of images, float64 [N + M, N + M].

    The bandwidth b is the median distance in the reference. Without one, values are not finite.
    """
    points = np.concatenate([newest, reference]).astype(np.float64)
    points -= points.mean(axis=0)
    if not np.isfinite(points).all():
        return points
    squared = euclidean_distances(points, squared=True)
    inner = squared[len(newest) :, len(newest) :]
    median = np.median(inner[np.triu_indices(len(inner), k=1)])
    if median <= 1e-12 * np.square(points).sum(axis=1).mean():  # below that, it is rounding error
        return np.full_like(squared, np.nan)
    return np.exp(squared / (-2 * median))


def _distances(kernel: np.ndarray, divisions: np.ndarray) -> np.ndarray:
    """The squared MMD of each division, bool [D, N], into new and other images.

    It is unbiased, and may be negative: Gretton et al. 2012, JMLR 13, lemma 6.
    """
    kernel = kernel - np.diag(np.diag(kernel))
    new = divisions.astype(np.float64)
    counts = new.sum(axis=1)
    others = len(kernel) - counts
    among_new = ((new @ kernel) * new).sum(axis=1)
    across = new @ kernel.sum(axis=1) - among_new
    among_others = kernel.sum() - among_new - 2 * across
    return (
        among_new / (counts * (counts - 1))
        + among_others / (others * (others - 1))
        - 2 * across / (counts * others)
    )
