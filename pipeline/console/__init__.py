"""What the program shows on a terminal or in a file: tables and progress."""
