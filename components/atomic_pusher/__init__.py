"""Pushes a blessed model as a numbered version that appears atomically."""
