"""Account-wide risk, one rule a file."""
