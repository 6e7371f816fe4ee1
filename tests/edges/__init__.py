"""The edges against real servers on loopback."""
