"""Names of the files that a training exports, for all who read them."""

METADATA = "assets.extra/iadb.json"  # in a SavedModel, where servers leave extra files alone
