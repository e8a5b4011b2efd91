"""The plugin for pytest gives a client, a clock and a login, and costs nothing where no test asks for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

APPLICATION = """
    import flask
    import pytest
    from sessionware import SessionMiddleware, get_session

    site = flask.Flask("shop")
    site.wsgi_app = SessionMiddleware(site.wsgi_app, backend="memory")

    @site.get("/")
    def whoami():
        return str(get_session(flask.request.environ).user_id)
"""


def run(pytester: pytest.Pytester, conftest: str, test: str) -> pytest.RunResult:
    pytester.makeconftest(APPLICATION + conftest)
    pytester.makepyfile(test)
    return pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider")


@pytest.mark.parametrize(
    "fixture",
    [
        pytest.param("def app(): return site", id="the application"),
        pytest.param("def client(): return site.test_client()", id="a client"),
        pytest.param("def session_app(): return site", id="a fixture of the plugin that is overridden"),
    ],
)
def test_the_fixtures_work_on_the_applications_own(pytester: pytest.Pytester, fixture: str) -> None:
    done = run(
        pytester,
        f"""
    @pytest.fixture
    {fixture}
""",
        """
        def test_a_user(session_client, log_in):
            log_in("ada")
            assert session_client.get("/").text == "ada"
            with session_client.session() as session:
                session["theme"] = "dark"

        def test_the_next_test_begins_signed_out(session_client):
            assert session_client.get("/").text == "None"

        def test_time_passes(session_client, session_clock, log_in):
            log_in("ada")
            session_clock.advance("50m")
            assert session_client.get("/").text == "ada"
            session_client.advance("61m")
            assert session_client.get("/").text == "None"
        """,
    )

    done.assert_outcomes(passed=3)


def test_a_test_shares_the_client_of_its_project(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
    @pytest.fixture
    def client(): return site.test_client()
""",
        """
        def test_a_user(client, log_in):
            log_in("ada")
            assert client.get("/").text == "ada"
        """,
    )

    done.assert_outcomes(passed=1)


def test_a_clock_that_the_application_is_given_is_the_fixtures(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
    @pytest.fixture
    def app(session_clock):
        from sessionware.testing.client import SessionClient
        return SessionMiddleware(flask.Flask("shop"), backend="memory", clock=session_clock)
""",
        """
        def test_time_passes(session_client, session_clock):
            session_client.log_in("ada")
            session_clock.advance("2h")
            with session_client.session() as session:
                assert session.rejected == "idle"
        """,
    )

    done.assert_outcomes(passed=1)


def test_without_an_application_the_fixture_to_define_is_named(pytester: pytest.Pytester) -> None:
    done = run(pytester, "", "def test_a_user(log_in): pass")

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*define a fixture session_app*"])


def test_a_fixture_with_params_is_asked_for_by_one_of_the_project(pytester: pytest.Pytester) -> None:
    application = """
    @pytest.fixture(params=[1, 2])
    def client(request): return site.test_client()
"""
    override = """
    @pytest.fixture
    def session_app(client): return client
"""
    test = "def test_a_user(log_in): pass"
    without, overridden = (run(pytester, application + more, test) for more in ("", override))

    without.assert_outcomes(errors=1)
    without.stdout.fnmatch_lines(
        ["*the fixture client, or one that it uses, has params*def session_app(client): return client*"]
    )
    overridden.assert_outcomes(passed=2)


def test_a_fault_of_the_projects_own_fixture_is_shown(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
    @pytest.fixture
    def client(no_such_fixture): pass
""",
        "def test_a_user(log_in): pass",
    )

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*fixture 'no_such_fixture' not found*"])


def test_where_no_test_asks_for_a_fixture_nothing_is_imported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            assert "sessionware.testing.pytest_plugin" in sys.modules
            ours = {name for name in sys.modules if name.partition(".")[0] == "sessionware"}
            assert len(ours) < 8, ours
        """
    )

    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_that_pytest_has_not() -> None:
    program = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import sessionware.testing.pytest_plugin\n"
        "print({name.partition('.')[0] for name in set(sys.modules) - before})\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stdout == "{'sessionware'}\n", done.stderr


@pytest.mark.parametrize("package", ["sessionware", "sessionware.testing"])
def test_each_name_of_a_package_is_there_though_it_is_imported_at_its_first_use(package: str) -> None:
    program = (
        f"import {package} as package\n"
        "assert set(package.__all__) <= set(dir(package)) | {'SessionClient', 'StoreConformance'}\n"
        "print(all(getattr(package, name).__name__ == name for name in package.__all__))\n"
        f"from {package} import *\n"
        "try: package.no_such_name\n"
        "except AttributeError as error: print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["True", f"module {package!r} has no attribute 'no_such_name'"], done.stderr
