"""A local Azure: ARM over TLS, Event Grid, a Functions host, Azurite and sinks. Never deployed."""
