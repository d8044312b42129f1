"""The page: the whole desk at one look, in a browser; it reads, and acts by the command line."""
