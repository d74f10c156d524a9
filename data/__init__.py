"""Makes image folders out of known datasets: a module each, with one function `write`."""
