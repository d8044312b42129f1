"""How things look in a terminal: tables, the status, what is wrong, in a window of any size."""
