"""The TFX pipeline and everything that runs it."""
