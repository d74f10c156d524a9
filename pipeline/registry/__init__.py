"""What runs have made, and which model is live."""
