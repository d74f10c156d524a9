"""Parts of a training step: batches, path, loss, gradients, and the copies that follow it."""
