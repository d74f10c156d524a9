"""Draws the pairs (seed, image) that a student learns from, with its teacher."""
