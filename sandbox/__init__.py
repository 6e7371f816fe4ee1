"""A local Azure: ARM over TLS, an Event Grid topic, a Functions host, Azurite and sinks. Never deployed."""
