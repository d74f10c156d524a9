"""The parts of one training step: pairing, average, gradients, losses by alpha."""
