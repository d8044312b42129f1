"""Anything on any socket and in any file: what is sent or put there, and what came of it."""
