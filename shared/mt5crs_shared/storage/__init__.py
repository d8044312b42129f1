"""Files of SQLite: how they are opened, brought up to date, and written by one process."""
