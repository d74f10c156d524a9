"""Pushes a blessed model: as a numbered version that is there whole or not at all."""
