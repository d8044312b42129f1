"""A publisher that is none of ours, with its own troubles, and an account of each of its ticks."""
