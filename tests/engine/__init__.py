"""The engine: events, IDs, policy, the look at one resource, alerts."""
