"""Gaussian noise from seeds by NumPy, equal to that of the exported sampler.

TensorFlow's tf.random.stateless_normal(shape, [seed, 0], alg="philox"), up to rounding: Philox
4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011), first for the key and
the counter of a seed, then for the numbers, and the transform of Box and Muller.
"""

import numpy as np

MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint32)  # added to the key in each round
ROUNDS = 10
SEED_KEY = np.array([0x3EC8F720, 0x02461E29], np.uint32)  # TensorFlow's, to scramble seeds
TINY = np.float32(1e-7)  # least value that a logarithm is taken of


def noise_from_seeds(seeds: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draws Gaussian noise, float32 [N, *shape], from int64 [N] seeds."""
    size = int(np.prod(shape))
    halves = np.ascontiguousarray(seeds, "<i8").view("<u4").reshape(-1, 2)  # lower, upper
    scrambled = _philox(np.pad(halves, [(0, 0), (0, 2)]), SEED_KEY)
    blocks = np.zeros([len(seeds), -(-size // 4), 4], np.uint32)
    blocks[..., 0] = np.arange(blocks.shape[1])  # no image has 2^32 blocks: no carry
    blocks[..., 2:] = scrambled[:, np.newaxis, 2:]
    numbers = _philox(blocks, scrambled[:, np.newaxis, :2])
    noise = _normal(numbers).reshape(len(seeds), 4 * blocks.shape[1])
    return noise[:, :size].reshape(-1, *shape)


def _philox(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Maps counters, uint32 [..., 4], with keys, uint32 [..., 2], to as many random bits."""
    for _ in range(ROUNDS):
        product = MULTIPLIERS * counter[..., ::2]
        high, low = (product >> 32).astype(np.uint32), product.astype(np.uint32)
        mixed = high[..., ::-1] ^ counter[..., 1::2] ^ key
        counter = np.stack([mixed[..., 0], low[..., 1], mixed[..., 1], low[..., 0]], -1)
        key = key + WEYL
    return counter


def _normal(bits: np.ndarray) -> np.ndarray:
    """Transforms pairs on the last axis, uint32, to pairs of normal float32 (Box and Muller)."""
    uniform = (bits & 0x7FFFFF | 0x3F800000).view(np.float32) - 1  # the bits of 1 to 2
    radius = np.sqrt(-2 * np.log(np.maximum(uniform[..., ::2], TINY)))
    angle = (2 * np.pi * uniform[..., 1::2].astype(np.float64)).astype(np.float32)
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], -1)
