"""Finds images that look nearly alike, so that train and eval do not share them."""
