"""SampleEvaluator: from samples to metrics, a verdict and a report."""
