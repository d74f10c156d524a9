"""The model: IADB, its networks, solvers and training. None of it imports TFX."""

import os

# Of itself, TensorFlow computes by oneDNN only on CPUs with AVX512_VNNI or AVX512_BF16. With AVX2
# alone, a training step of the preset emoji32 took 1.27 times as long without it. TensorFlow reads
# this when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
