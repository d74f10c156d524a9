"""`iadb` as a process that trains a small network; imports neither TFX nor TensorFlow."""

import sys

# To be followed by the arguments.
QUICK_IADB = (
    sys.executable,
    "-c",
    "from tests.pipeline.stand_ins import quick_network; from pipeline.cli import main\n"
    "with quick_network(): main()",
)
