"""Reads as peers do: `reading_torch.py FOLDER BATCH`, a folder of tars or of folders of JPEGs.

Tars are read by webdataset, folders by torchvision's ImageFolder, both in the worker processes of
torch's DataLoader. Runs in the environment of `make parity`.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
import webdataset
from PIL.Image import Image
from serve import THREADS, serve
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from benchmarks.process_tree import processor_seconds

FOLDER, BATCH = Path(sys.argv[1]), int(sys.argv[2])
SHUFFLED = 10_000  # encoded images in memory, as in trainer/dataset.py


def scale(image: Image) -> torch.Tensor:
    """Converts an image to float32 [C, H, W] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return pixels.permute(2, 0, 1).float() / 127.5 - 1


def tars(files: list[str]) -> Iterator[torch.Tensor]:
    """Reads endless batches from tars, batched where they are decoded, as webdataset advises."""
    dataset = webdataset.WebDataset(files, shardshuffle=len(files)).repeat()
    dataset = dataset.shuffle(SHUFFLED // THREADS).decode("pil").to_tuple("jpg")
    batched = dataset.map_tuple(scale).batched(BATCH, partial=False)
    for (batch,) in DataLoader(batched, batch_size=None, num_workers=THREADS):
        yield batch


def folders(root: Path) -> Iterator[torch.Tensor]:
    """Reads endless batches from folders, each epoch in an order of its own."""
    dataset = ImageFolder(str(root), transform=scale)
    options = {"shuffle": True, "drop_last": True, "persistent_workers": True}
    loader = DataLoader(dataset, BATCH, num_workers=THREADS, **options)
    while True:
        for batch, _ in loader:
            yield batch


found = sorted(map(str, FOLDER.glob("*.tar")))
reader = tars(found) if found else folders(FOLDER)


def read(batches: int) -> tuple[float, float]:
    """Reads the next batches; returns the seconds, and the processor time of all processes."""
    started, busy = time.monotonic(), processor_seconds(os.getpid())
    for _ in range(batches):
        assert len(next(reader)) == BATCH
    return time.monotonic() - started, processor_seconds(os.getpid()) - busy


serve({"read": read})
