"""Strategies to copy and change."""
