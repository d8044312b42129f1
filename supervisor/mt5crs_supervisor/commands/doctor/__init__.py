"""`doctor`: whether this machine, these files and this market are fit for a system."""
