"""What the account at the broker has at one moment, and what that tells."""
