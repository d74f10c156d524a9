"""What a student is, and what it learns of its teacher."""
