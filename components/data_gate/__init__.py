"""Stops the run if the data have anomalies."""
