"""The modules stand in one total order; each imports only what stands before it, and keeps to what its floor may do."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import sessionware
from sessionware.session.request import Persistence

PACKAGE = Path(sessionware.__file__).parent
SOURCE_TREE = Path(__file__).parent.parent

#: Each module imports only what comes earlier here. ``__init__`` files only re-export, and stand outside.
FLOORS = {
    "ground": """
        companions
        exceptions
        clock
    """,
    "values": """
        crypto.keys
        crypto.identifiers
        crypto.sealing
        crypto.csrf
        wire.tags
        wire.bounds
        wire.lenient
        wire.refusals
        wire.serializer
        session.lifetimes
        session.records
        session.flashes
        session.formats
        session.login
        session.asked
        session.merging
        session.changes
        session.sizes
        session.request
        session.other_members
        session.mapping
        session.user_key
        events
        conversions
        cookies.header
        cookies.caching
        cookies.request
        cookies.origin
    """,
    "stores": """
        stores.contract
        stores.sweeping
        stores.pools
        stores.failures
        stores.framing
        stores.urls
        stores.paths
        stores.memory
        stores.processes
        stores.file
        stores.sqlite
        stores.sql.failures
        stores.sql.connections
        stores.sql.engine
        stores.sql.statements
        stores.sql.store
        stores.memcached.url
        stores.memcached.servers
        stores.memcached.store
        stores.keyvalue.adapters
        stores.keyvalue.store
        stores.redis.url
        stores.redis.deadline
        stores.redis.connections
        stores.redis.servers
        stores.redis.store
    """,
    "configuration": """
        config.faults
        config.credentials
        config.advice
        config.others
        config.table
        config.names
        config.beaker
        config.typed
        config.parameters
        config.backend
        config.settings
    """,
    "sessions": """
        protocol.vault
        protocol.end
        protocol.index
        protocol.users
        protocol.update
        protocol.rotate
        backends.contract
        backends.cookie
        backends.store
        backends.login
        backends.former
        backends.ties
        backends.agreement
        backends.configured
        backends.imported
        backends.moving_users
        backends.previous
        lifecycle
        answer
        manager
    """,
    "applications": """
        wsgi.reply
        wsgi.middleware
        integrations.labels
        integrations.prometheus
        integrations.opentelemetry
        integrations.flask_session
        integrations.flask_settings
        integrations.flask
        integrations.bottle
        integrations.paste
        integrations.members
        integrations.pyramid_session
        integrations.pyramid
        integrations.explicit
        integrations.beaker_managers
        integrations.beaker_session
        integrations.beaker
        importers.settings
        importers.records
        importers.compression
        importers.pickle_format
        importers.pickled_types
        importers.beaker_files
        importers.beaker
        importers.cache_files
        importers.flask
        importers.flask_session
        importers.kvsession
        importers.django
        importers.pickled
        testing.clock
        testing.client
        testing.pytest_plugin
        testing.conformance.fixtures
        testing.conformance.entries
        testing.conformance.sharing
        testing.conformance.suite
        cli.takeover
        cli.check
        cli.main
        __main__
    """,
}
ORDER = tuple(name for floor in FLOORS.values() for name in floor.split())
FOUND = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py"
}
PACKAGES = {".".join(("sessionware", *path.parent.relative_to(PACKAGE).parts)) for path in PACKAGE.rglob("__init__.py")}
EVERY_FILE = sorted(PACKAGE.rglob("*.py"))

#: ``clock`` reads the time, and ``session.mapping`` asks for it.
PURE = (
    "exceptions",
    *FLOORS["values"].replace("session.mapping", "").split(),
    "config.faults",
    "config.credentials",
    "config.advice",
    "config.others",
    "config.table",
    "config.names",
    "config.beaker",
)
NOT_PURE = {"asyncio", "http", "io", "os", "pathlib", "select", "socket", "sqlite3", "subprocess", "tempfile"}
NOT_PURE |= {"threading", "time", "wsgiref"}
CLOCK_CALLS = {"now", "utcnow", "today"}
UNSAFE = {"dill", "jsonpickle", "marshal", "pickle", "shelve"}
DRIVERS = {"beaker", "bottle", "cachelib", "diskcache", "flask", "minimalkv", "pymemcache", "pyramid", "redis"}
DRIVERS |= {"opentelemetry", "prometheus_client", "simplekv", "sqlalchemy"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """The full names that import statements among *nodes* may mean: of ``from a import b`` both a and a.b."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = str(node.module)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def tops(names: Iterator[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """What is executed when a module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from outside_functions(node)


every_module = pytest.mark.parametrize("name", ORDER)
every_pure_module = pytest.mark.parametrize("name", PURE)
every_file = pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.relative_to(PACKAGE).as_posix()) for path in EVERY_FILE]
)


def test_it_is_the_installed_package_that_is_tested() -> None:
    """The wheel is what users get: a module that is missing there is found nowhere else."""
    assert SOURCE_TREE / "sessionware" != PACKAGE, "run the tests by make test"


def test_every_module_stands_in_the_order_once() -> None:
    assert sorted(ORDER) == sorted(FOUND)


@every_module
def test_a_module_imports_only_what_stands_before_it(name: str) -> None:
    before = {f"sessionware.{other}" for other in ORDER[: ORDER.index(name)]}
    ours = {f"sessionware.{other}" for other in ORDER}

    wanted = set(imported(ast.walk(parsed(FOUND[name])))) & ours

    assert wanted <= before


@every_module
def test_a_module_imports_no_package_where_it_means_a_module(name: str) -> None:
    """An ``__init__`` gathers what stands after most modules: what is in a package is named by its own module."""
    gathered = {
        f"{node.module}.{alias.name}".removeprefix("sessionware.")
        for node in ast.walk(parsed(FOUND[name]))
        if isinstance(node, ast.ImportFrom) and node.module in PACKAGES
        for alias in node.names
    }

    assert gathered <= set(ORDER)


@every_pure_module
def test_the_lower_floors_do_no_io_and_read_no_clock(name: str) -> None:
    tree = parsed(FOUND[name])
    calls = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}

    used = tops(imported(ast.walk(tree)))

    assert not used & NOT_PURE
    assert not calls & CLOCK_CALLS


@every_pure_module
def test_the_lower_floors_know_no_wsgi(name: str) -> None:
    tree = parsed(FOUND[name])

    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}

    assert "start_response" not in names
    assert "_typeshed.wsgi" not in set(imported(ast.walk(tree)))


def test_a_session_sees_three_methods_and_two_small_objects_of_what_loads_and_saves_it() -> None:
    members = {name for name in vars(Persistence) if not name.startswith("_")} | set(Persistence.__annotations__)

    assert members == {"load", "save", "end", "clock", "csrf"}


@every_file
def test_nothing_unpickles(path: Path) -> None:
    assert not tops(imported(ast.walk(parsed(path)))) & UNSAFE


@every_file
def test_drivers_and_frameworks_are_imported_only_where_they_are_used(path: Path) -> None:
    """A module of ``integrations`` is imported by who has installed what it integrates, and by no other module."""
    if path.parent.name != "integrations":
        assert not tops(imported(outside_functions(parsed(path)))) & DRIVERS


@every_module
def test_a_module_says_its_job_in_its_first_line(name: str) -> None:
    docstring = ast.get_docstring(parsed(FOUND[name])) or ""

    assert docstring.partition("\n")[0].strip()


@every_file
def test_a_module_stays_short(path: Path) -> None:
    """No wall to build around, which made modules that nothing but a length called for: a hint to look."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@every_file
def test_a_function_stays_short(path: Path) -> None:
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]

    long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 40]

    assert not long


def test_every_module_imports_first_and_without_a_warning() -> None:
    """Each is imported before all others, so that no circle hides behind an order that happens to work."""
    program = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "sessionware"]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""
    names = [f"sessionware.{name}" for name in ORDER]

    # All but the first are of what Pyramid imports.
    warnings = (
        "error",
        "ignore:'cgi' is deprecated:DeprecationWarning",
        "ignore:pkg_resources is deprecated as an API:UserWarning",
        "ignore:pkg_resources is deprecated as an API:DeprecationWarning",
        "ignore:Deprecated call to `pkg_resources:DeprecationWarning",
    )
    command = [sys.executable, *(f"-W{warning}" for warning in warnings), "-c", program, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
