"""Unattended retraining: the schedule, its checks for new data and the runs that they start."""
