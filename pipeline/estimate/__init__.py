"""What a run will take, before it starts: images, time, memory and disk of each node."""
