"""The model: IADB, its network, its solvers, its training. Only run_fn.py knows TFX."""
