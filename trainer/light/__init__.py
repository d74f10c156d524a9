"""Sampling from an exported network by NumPy and onnxruntime, without TensorFlow."""
