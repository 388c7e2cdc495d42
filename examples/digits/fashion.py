"""Fashion-MNIST as numpy arrays, from the compressed IDX files in `data/fashion-mnist`."""

import gzip
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data" / "fashion-mnist"
NAMES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def load(part, count=None):
    """The first `count` pictures of `train` or `t10k`: rows of 784 numbers from 0 to 1, and the kind of each, 0 to 9."""
    with gzip.open(FOLDER / f"{part}-labels-idx1-ubyte.gz") as file:
        file.read(8)  # magic number and count
        labels = np.frombuffer(file.read(count or -1), np.uint8)
    with gzip.open(FOLDER / f"{part}-images-idx3-ubyte.gz") as file:
        file.read(16)  # magic number, count, height and width
        pixels = np.frombuffer(file.read(len(labels) * 784), np.uint8)
    return pixels.reshape(-1, 784).astype(np.float32) / 255, labels.astype(int)
