"""The tests; tests/e2e goes through the sandbox, the rest mirrors guards/ and sandbox/."""
