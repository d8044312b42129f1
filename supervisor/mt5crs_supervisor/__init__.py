"""The parent process: spawns one process a strategy, watches it and brings it back."""
