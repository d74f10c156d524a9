"""Parts of one training step: moving average, gradients, loss by alpha."""
