"""What two of the processes must agree on: configuration, messages, ticks, paths."""
