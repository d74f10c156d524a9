"""ML Metadata in PostgreSQL, where it is on a cluster."""
