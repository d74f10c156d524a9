"""The SavedModel that a training exports for serving: signatures, checks of requests, warm-up."""
