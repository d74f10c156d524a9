"""The model: IADB, its networks, solvers and training. Only run_fn.py imports TFX."""
