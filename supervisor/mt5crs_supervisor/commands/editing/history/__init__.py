"""The bars that strategies begin with, fetched from a terminal."""
