"""From metrics to a blessing."""
