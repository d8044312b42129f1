"""What strategies and the operator ask of the gateway, and whether they may."""
