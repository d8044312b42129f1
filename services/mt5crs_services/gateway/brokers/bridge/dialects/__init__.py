"""The dialects of the bridges that people run: how each is asked, and how its answers are read."""
