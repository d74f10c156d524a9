"""Names under which SchemaImporter and what it makes are found."""

NODE = "SchemaImporter"
SCHEMA = "schema"  # output
