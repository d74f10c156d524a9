"""The ODE dx/dalpha = d(x, alpha): field, guidance, solvers, and batches on their way."""
