"""Who may look and who may act: the token, sessions, and what a request has to look like."""
