"""Pictures and curves that complement the metrics."""
