"""Sockets of ZMQ: how large a message may be, who may connect, and what a connection comes to."""
