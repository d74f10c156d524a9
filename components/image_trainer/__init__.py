"""Trains the model, for a number of steps that may be given when the run starts."""
