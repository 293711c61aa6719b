"""Filling the order database with many finished orders of one shop, for measurements."""
