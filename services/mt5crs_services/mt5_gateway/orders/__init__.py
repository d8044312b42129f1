"""Orders at the terminal: kept before they are sent, sent once, found again in its books."""
