"""What follows from a death: black boxes, poison ticks, incidents."""
