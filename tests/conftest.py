"""Fixtures that tests of several parts share, and how properties are tried."""

import os
import signal

from hypothesis import HealthCheck, settings

# A shell that starts us in the background has SIGINT ignored, and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["dockerd", "guest"]

# A busy machine is no failure; and CI tries the same examples each time, so that a new one is found at a desk.
settings.register_profile(
    "workshop", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("workshop")
