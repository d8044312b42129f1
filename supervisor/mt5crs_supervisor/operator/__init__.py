"""The operator's side: the control socket, what it can ask, and what it shows."""
