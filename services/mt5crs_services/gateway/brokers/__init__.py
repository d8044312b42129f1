"""Where orders go: the paper book, and whoever comes to stand beside it."""
