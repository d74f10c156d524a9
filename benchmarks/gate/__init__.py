"""Calibrates the gate: `make gate` judges good models and models with known faults on four sets."""
