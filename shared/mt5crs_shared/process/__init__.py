"""A process of the system: its start, its supervision, its files, logs and last words."""
