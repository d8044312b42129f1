"""A stand-in for the MetaTrader5 package: its names, structures and failures, on a book of its own.

Read from the package's own tables, never compared with a terminal that runs.
"""
