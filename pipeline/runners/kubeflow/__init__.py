"""Any TFX pipeline on open-source Kubeflow Pipelines, one container per node."""
