"""``StoreConformance``, the suite that a store's own test class inherits from."""

from __future__ import annotations

from sessionware.testing.conformance.entries import EntryTests
from sessionware.testing.conformance.fixtures import CAPABILITIES, new_key
from sessionware.testing.conformance.sharing import SharingTests

__all__ = ["CAPABILITIES", "StoreConformance", "new_key"]


class StoreConformance(EntryTests, SharingTests):
    """Tests whether a store keeps the contract of :class:`sessionware.stores.Store`; inherit, and write ``make_store``.

    ::

        class TestMyStore(StoreConformance):
            def make_store(self, clock):
                return MyStore(clock=clock)

    ``make_store`` is called once or several times in a test. For a store whose entries outlive the object (a file, a
    server) each call must open the same entries. Every test uses new keys, so a database need not be emptied between
    tests.

    A test of something that the store lacks is skipped, and the reason says what. To have no such tests, and no skips,
    list names of :data:`CAPABILITIES` in the class attribute ``without``, for example ``without = ("purge",)``.
    """
