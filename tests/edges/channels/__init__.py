"""Every kind of channel against a real server on loopback, in good weather and bad."""
