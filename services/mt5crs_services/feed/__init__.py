"""Ticks of our own: synthetic, or replayed from files."""
