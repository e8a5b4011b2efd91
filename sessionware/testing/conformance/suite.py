"""The contract of a store as a suite of tests, for stores of anybody's making."""

from __future__ import annotations

from sessionware.testing.conformance.entries import EntriesSuite
from sessionware.testing.conformance.fixtures import CAPABILITIES, new_key
from sessionware.testing.conformance.sharing import SharingSuite

__all__ = ["CAPABILITIES", "StoreConformance", "new_key"]


class StoreConformance(EntriesSuite, SharingSuite):
    """Derive from it, give ``make_store``, and pytest holds the store to the contract of :class:`Store`.

    ::

        class TestMyStore(StoreConformance):
            def make_store(self, clock):
                return MyStore(clock=clock)

    For a store that outlives its object, ``make_store`` opens the same one whenever one test calls it again. Tests
    of what a store lacks are skipped with the reason. Who wants no skips names it in ``without``: those are then not
    collected. Every test uses keys of its own, so a database may be kept from test to test.
    """
