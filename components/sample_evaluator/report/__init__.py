"""The report of an evaluation, a single HTML file."""
