"""Images that a model draws, and their files."""
