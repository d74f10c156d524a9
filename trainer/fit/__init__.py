"""What surrounds a training: callbacks, checkpoints, warm start, workers."""
