"""What a user can set: the configuration, and how it is read from YAML."""
