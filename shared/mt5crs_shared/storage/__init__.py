"""What is kept on disk: files of SQLite, brought up to date by steps; and the files of events."""
