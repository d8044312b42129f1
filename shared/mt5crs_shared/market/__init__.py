"""Ticks: how they arrive, which are believed, and what they say of currencies."""
