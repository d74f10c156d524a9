"""The model card: what a model is, what it was made of, and how good it was found, as Markdown."""
