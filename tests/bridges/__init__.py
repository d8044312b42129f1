"""Bridges to MetaTrader as they are: one a dialect, with a book of its own, and its faults."""
