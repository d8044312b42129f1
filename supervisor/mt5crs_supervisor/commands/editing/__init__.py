"""Verbs that change the strategies file: in the wanted places, and nowhere else."""
