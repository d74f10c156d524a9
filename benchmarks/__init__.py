"""Measures published figures: `make bench`, or `python -m benchmarks NAME` for one file."""
