"""Any TFX pipeline on open-source Kubeflow Pipelines, one container per node."""

import trainer  # noqa: F401  sets options of TensorFlow, before a node imports it
