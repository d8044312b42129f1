"""An operator's day against a system of twenty strategies; see `__main__`."""
