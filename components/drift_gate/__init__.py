"""DriftGate: warns about new images that differ from earlier ones, or holds them."""
