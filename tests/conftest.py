"""What every test has: the examples, the servers, a second try where the clock decides, and no skip in CI."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from support.companions import can_run

# For the examples. At the end of the path, so that it is the installed package that is tested, not the source tree.
sys.path.append(str(Path(__file__).parent.parent))

#: What runs pytest on a test of a test, and the private servers, each of which starts when the first test asks for it.
pytest_plugins = [
    "pytester",
    "support.servers.redis",
    "support.servers.memcached",
    "support.servers.postgresql",
    "support.servers.mariadb",
]

# How long an example takes says more about the machine than about the code. A run of CI draws what the last one has
# drawn: a find there would be of no change that it looks at, and the runs of developers go on searching.
settings.register_profile("sessionware", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("sessionware")


#: Tests that freeze, kill and await servers within a second or so: they get more tries, for a busy machine.
_BY_THE_CLOCK = re.compile(
    r"production/test_outages|stores/\w+/test_faults|wsgi/test_servers|documentation/test_examples"
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run a test of faults up to twice more before it fails. Others fail at once: a race is a bug, however rare.

    Leave out those that the installed packages are too old or too new for.
    """
    unfit = [item for item in items if not can_run(item)]
    config.hook.pytest_deselected(items=unfit)
    items[:] = [item for item in items if item not in unfit]
    for item in items:
        place = item.path.relative_to(Path(__file__).parent).as_posix()
        if _BY_THE_CLOCK.match(place):
            item.add_marker(pytest.mark.flaky(reruns=2))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Make a skip a failure in CI, for there is no later place to test what was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("\nskipped tests are failures in CI", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
