"""The entry point of a task's container: runs the node that the arguments name, as node.py does.

No garbage is collected while TensorFlow and TFX are imported, which takes seconds off every task.
"""

import sys

from components.garbage import without_garbage_collection

if __name__ == "__main__":
    with without_garbage_collection():
        from pipeline.runners.kubeflow.node import main
    sys.exit(main(sys.argv[1:]))
