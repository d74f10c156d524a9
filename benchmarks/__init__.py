"""Figures that the README states: `make bench`, or `python -m benchmarks NAME` for one file."""
