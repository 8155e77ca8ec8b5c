"""What holds in every test: nobody gives up because the machine stood still, and no example has to run in time."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.patience import patient

settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _patient() -> Iterator[None]:
    with patient():
        yield
