"""What is in folders, buckets and archives: listed, and opened to be read."""
