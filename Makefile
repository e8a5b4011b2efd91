# Each command sets up by itself what it needs: a virtual environment for each version of Python, under .venv/.
#
#   make demo       serve the example at http://localhost:8000 (PORT=… for another)
#   make test       all checks: lint, types, tests of the installed wheel, coverage (COVERAGE=no for all but that)
#   make test-all   the same, by every Python that the machine has
#   make lint       ruff alone
#   make types      mypy alone
#   make format     mend by ruff what it can mend, and lay out the code
#   make docs       the documentation as pages for the browser; a warning is an error
#   make soak       the tests of the production stores again, each with its full counts (more than half an hour;
#                   ARGUMENTS='-k killed' for some of them)
#   make fuzz       look for inputs from outside that break a promise, for a minute at each target (SECONDS=… for
#                   another time, ARGUMENTS=cookie_header for one target); what was tried is kept for the next run
#   make test-lowest   the tests of what other packages can break, by the oldest of each that setup.cfg allows
#   make test-drivers   the same, and the tests of stores on servers and of integrations by the newest of each
#   make test-servers   the tests of WSGI servers by all of them, Apache's mod_wsgi too, which needs apache2-dev and a
#                   compiler (SERVERS=mod_wsgi for it alone)
#   make test-peers   the suites of Flask, Flask-Login, Flask-WTF, Pyramid, Beaker and some that build on these, from
#                   their sdists, with our sessions (PEERS=Flask for one of them)
#   make bench      measure, side by side with Beaker, Flask-Session and Django, on private servers that it starts itself
#                   (ARGUMENTS='--page docs/speed.rst' lays the figures in there, --quick is a trial, and
#                   --against ../other times the package in another checkout in turns with this one)
#   make bench-million   the same questions to a million sessions (ARGUMENTS='--sessions 20000' for a quick trial)
#   make clean      remove all that these commands have made, and what the examples have stored
#
# PYTHON=… chooses the interpreter: make test PYTHON=/usr/bin/python3.12

PYTHON ?= python3
PORT ?=

VERSION := $(shell $(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null)
VENV := .venv/$(VERSION)
WHEELS := $(VENV)/wheels
# Where the checks find their tools, and a directory from which the source tree cannot be imported.
BIN := $(VENV)/bin
WORK := $(VENV)/work

SOURCES := $(shell find sessionware -name __pycache__ -prune -o -print) README.rst LICENSE setup.cfg pyproject.toml
CODE := sessionware tests examples benchmarks docs
RUFF = $(BIN)/ruff check $(CODE)
# With a cache of its own: two that write one at the same time break it.
MYPY = $(BIN)/mypy --cache-dir $(BIN)/../.mypy_cache sessionware tests

PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo ready test test-all docs soak fuzz check lint types format bench bench-million clean
.DELETE_ON_ERROR:

help:
	@sed -n '/^# /s/^# \{0,1\}//p; /^$$/q' Makefile

demo: $(VENV)/.with-demo
	@$(BIN)/python examples/demo/serve.py $(PORT)

ready: $(VENV)/.with-tests

test: ready
	@$(MAKE) --no-print-directory check BIN=$(BIN) WORK=$(WORK)

# Counting the lines that run takes a third of the time; COVERAGE=no leaves it out.
COVERAGE ?= yes
COUNTS = $(filter yes,$(COVERAGE))
# Ruff and mypy judge the code by the oldest Python, whichever runs them; LINTING=no leaves them out.
LINTING ?= yes
LINTS = $(filter yes,$(LINTING))

# What make test and tox run, each with an environment of its own.
check:
	$(if $(LINTS),$(RUFF))
	$(if $(LINTS),$(MYPY))
	rm -rf $(WORK) && mkdir -p $(WORK)
	root=$$(pwd) && bin=$$(cd $(BIN) && pwd) && cd $(WORK) && \
	    $(if $(COUNTS),"$$bin/coverage" run --rcfile="$$root/setup.cfg" --data-file="$$PWD/.coverage") \
	    "$$bin/pytest" -c "$$root/setup.cfg" "$$root/tests"
	$(if $(COUNTS),$(BIN)/coverage report --rcfile=setup.cfg --data-file=$(WORK)/.coverage)

lint: $(VENV)/.with-tests
	$(RUFF)

types: $(VENV)/.with-tests
	$(MYPY)

format: $(VENV)/.with-tests
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

test-all: $(VENV)/.with-tox
	$(BIN)/tox run $$(.ci/run --list | sed 's/^/--discover /')

docs: $(VENV)/.with-docs
	@rm -rf $(VENV)/docs
	@$(BIN)/sphinx-build -W --keep-going --quiet -b html -d $(VENV)/doctrees docs $(VENV)/docs
	@echo "make: the documentation is at $(VENV)/docs/index.html"

# Where the tests are whose counts are larger then.
SOAKED := behaviour/test_fleet.py behaviour/test_model.py concurrency importers production stores/memcached stores/redis stores/sql

soak: $(VENV)/.with-tests
	@rm -rf $(WORK) && mkdir -p $(WORK)
	root=$$(pwd) && bin=$$(cd $(BIN) && pwd) && cd $(WORK) && \
	    SESSIONWARE_SOAK=1 "$$bin/pytest" -c "$$root/setup.cfg" --timeout 3600 $(SOAKED:%="$$root/tests/%") $(ARGUMENTS)

SECONDS ?= 60

fuzz: $(VENV)/.with-fuzz
	@mkdir -p $(VENV)/fuzz
	@root=$$(pwd) && bin=$$(cd $(BIN) && pwd) && cd $(VENV)/fuzz && \
	    PYTHONPATH="$$root/tests" "$$bin/python" -m fuzz --seconds $(SECONDS) $(ARGUMENTS)

bench: $(VENV)/.with-bench
	@$(BIN)/python -m benchmarks --json $(VENV)/benchmarks.json $(ARGUMENTS)

bench-million: $(VENV)/.with-bench
	@$(BIN)/python -m benchmarks.million --json $(VENV)/benchmarks-million.json $(ARGUMENTS)

# The environment of the README's quick start was made by hand, and stays.
clean:
	rm -rf $(filter-out .venv/quickstart,$(wildcard .venv/*)) .tox build dist sessionware.egg-info
	rm -rf examples/demo/data examples/*.db* examples/entries examples/sessions examples/audit.jsonl
	@! test -d .venv || rmdir --ignore-fail-on-non-empty .venv

# The virtual environment, the wheel in it, and what each extra needs. Whatever changes, the wheel is built and installed
# again; only a change of setup.cfg looks at the dependencies again.

$(VENV)/bin/python:
	@test -n "$(VERSION)" || { echo "make: $(PYTHON) does not run; name another by PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "make: sessionware needs Python 3.10 or newer, and $(PYTHON) is $(VERSION); name another by" \
	        "PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, ssl, venv' || { \
	    echo "make: $(PYTHON) lacks venv or ssl (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "make: a virtual environment for Python $(VERSION)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.wheel: $(SOURCES) $(VENV)/bin/python
	@echo "make: the wheel"
	@rm -rf $(WHEELS) build sessionware.egg-info
	@$(PIP) wheel --no-deps --wheel-dir $(WHEELS) .
	@rm -rf build sessionware.egg-info
	@$(PIP) install --no-deps --force-reinstall $(WHEELS)/*.whl
	@touch $@

$(VENV)/.with-demo $(VENV)/.with-docs $(VENV)/.with-tests $(VENV)/.with-bench: $(VENV)/.with-%: setup.cfg | $(VENV)/.wheel
	@echo "make: what the extra '$*' needs"
	@$(PIP) install "$$(echo $(WHEELS)/*.whl)[$*]"
	@touch $@

# Without a wheel for this machine, atheris would have to be built by clang: then the fuzzer does without it.
$(VENV)/.with-fuzz: $(VENV)/.with-tests
	@echo "make: what the extra 'fuzz' needs"
	@$(PIP) install --only-binary atheris "$$(echo $(WHEELS)/*.whl)[fuzz]" || echo "make: atheris does not install here"
	@touch $@

$(VENV)/.with-tox: setup.cfg $(VENV)/bin/python
	@$(PIP) install 'tox>=4.22'
	@touch $@

# Other packages decide how a session is packed, signed and sent, and stores lean on what a driver does not promise. So
# what they can break is tested by the oldest releases that setup.cfg allows (which install by Python 3.12 and older), and
# what leans on them most by the newest that there are.
COMPANIONS := Beaker bottle cachelib cryptography diskcache Django flask Flask-Login Flask-Session Flask-WTF itsdangerous
COMPANIONS += minimalkv msgpack msgspec opentelemetry-api opentelemetry-sdk PasteDeploy prometheus-client psycopg
COMPANIONS += pymemcache PyMySQL pyramid pyramid_beaker redis simplekv SQLAlchemy webtest werkzeug
DRIVER_TESTS := integrations stores/memcached stores/redis stores/sql
LOWEST_TESTS := $(DRIVER_TESTS) backends cookies crypto session stores/keyvalue testing vectors wire

.PHONY: test-drivers test-lowest test-newest
test-drivers: test-lowest test-newest

test-lowest: WANTED = $(sort $(foreach name,$(COMPANIONS),$(shell sed -n 's/^ *\($(name)[][a-z]*\) >= /\1==/p' setup.cfg)))
test-lowest: CHOSEN = $(LOWEST_TESTS)
test-newest: WANTED = --upgrade $(COMPANIONS)
test-newest: CHOSEN = $(DRIVER_TESTS)

test-lowest test-newest: test-%: $(VENV)/.wheel
	@test -x $(VENV)/$*/bin/python || $(PYTHON) -m venv $(VENV)/$*
	@echo "make: the $*: $(WANTED)"
	@$(VENV)/$*/bin/python -m pip --disable-pip-version-check --quiet install "$$(echo $(WHEELS)/*.whl)[tests]" $(WANTED)
	@$(VENV)/$*/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --force-reinstall $(WHEELS)/*.whl
	@rm -rf $(WORK) && mkdir -p $(WORK)
	root=$$(pwd) && cd $(WORK) && "$$root/$(VENV)/$*/bin/pytest" -c "$$root/setup.cfg" $(CHOSEN:%="$$root/tests/%")

# make test serves by all of them but mod_wsgi, which pip has to build.
SERVERS ?= all
SERVER_TESTS := wsgi/test_servers.py documentation/test_walks.py

$(VENV)/.with-servers: $(VENV)/.with-tests
	@echo "make: mod_wsgi, for which apxs (Debian and Ubuntu: apt install apache2-bin apache2-dev) and a compiler are needed"
	@$(PIP) install 'mod_wsgi >= 5'
	@touch $@

.PHONY: test-servers
test-servers: $(VENV)/.with-servers
	@rm -rf $(WORK) && mkdir -p $(WORK)
	root=$$(pwd) && bin=$$(cd $(BIN) && pwd) && cd $(WORK) && \
	    SESSIONWARE_SERVERS='$(SERVERS)' "$$bin/pytest" -c "$$root/setup.cfg" $(SERVER_TESTS:%="$$root/tests/%") $(ARGUMENTS)

# The suites of other packages, each from its sdist, with our sessions in the place of theirs; tests/peers/suites.py tells
# which of their tests must differ. PEERS names some of them.
.PHONY: test-peers
test-peers: $(VENV)/.wheel
	@test -x $(VENV)/peers/bin/python || $(PYTHON) -m venv $(VENV)/peers
	@# Flask's tests use what pytest 9 has no more.
	@$(VENV)/peers/bin/python -m pip --disable-pip-version-check --quiet install "$$(echo $(WHEELS)/*.whl)[flask]" 'pytest >= 8.4, < 9'
	@$(VENV)/peers/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --force-reinstall $(WHEELS)/*.whl
	@root=$$(pwd) && cd $(VENV)/peers && PYTHONPATH="$$root/tests" "$$root/$(VENV)/peers/bin/python" -m peers $(PEERS)
