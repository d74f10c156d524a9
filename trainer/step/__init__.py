"""Parts of one training step: coupling, moving average, gradients, loss by alpha."""
