"""Stops the run when the data are wrong."""
