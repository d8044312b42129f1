"""The verbs that show what is written down, whether anything runs or not."""
