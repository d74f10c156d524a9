"""The networks that deblend, and their layers."""
