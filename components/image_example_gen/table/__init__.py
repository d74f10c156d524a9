"""The table of all images of a run, from files that were decoded to shards of examples."""
