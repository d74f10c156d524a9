"""Strategies that resolve what earlier runs made."""
