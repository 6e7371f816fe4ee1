"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# The first example pays for tables that hypothesis builds once in a clone; a busy machine is slow.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
