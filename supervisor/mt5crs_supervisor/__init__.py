"""The parent process: spawns, watches and restarts; never touches a tick or an order."""
