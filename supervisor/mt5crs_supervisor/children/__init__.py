"""The life of a child: states, health, restarts, epochs, and the order of start and stop."""
