"""Distillation: a student with few network evaluations for each blessed model."""
