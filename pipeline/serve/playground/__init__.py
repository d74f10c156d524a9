"""The page at / of `iadb serve`: files that a browser loads as they are, and what they ask for."""
