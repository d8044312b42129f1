"""Orders on their way through a broker: when they are executed, and what is booked of them."""
