"""From images to metrics, with TFMA."""
