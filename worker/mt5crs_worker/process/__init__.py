"""The process around one strategy: its sockets, its loop, and what it says of itself."""
