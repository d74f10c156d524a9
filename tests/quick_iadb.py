"""`iadb` as a process that trains a small network; imports neither TFX nor TensorFlow."""

import sys

# To be followed by the arguments. C++ libraries log errors alone, as long as nothing else keeps
# what they log from the terminal.
QUICK_IADB = (
    sys.executable,
    "-c",
    "import os; os.environ['GLOG_minloglevel'] = '2'\n"
    "from tests.pipeline.stand_ins import quick_network; from pipeline.cli import main\n"
    "with quick_network(): main()",
)
