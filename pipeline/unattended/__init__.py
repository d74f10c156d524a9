"""Retraining without a person: the schedule and its attempts."""
