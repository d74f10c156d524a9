"""Around the training loop: callbacks, checkpoints, warm start, workers."""
