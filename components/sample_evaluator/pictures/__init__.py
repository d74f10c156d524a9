"""What a person looks at beside the numbers."""
