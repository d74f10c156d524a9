"""One image file: its header, its pixels, its colors."""
