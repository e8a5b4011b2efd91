"""Filters for PasteDeploy, which names them in an INI file: ``use = egg:sessionware``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sessionware.config.names import PREFIX, PREFIXES
from sessionware.exceptions import hiding_arguments
from sessionware.wsgi.middleware import SessionMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def filter_factory(global_conf: Mapping[str, Any], **local_conf: Any) -> Callable[[WSGIApplication], SessionMiddleware]:
    """A filter of the section's options; those of ``[DEFAULT]`` that begin with ``session.`` stand behind them."""
    options = _options(global_conf, local_conf)

    @hiding_arguments
    def wrapped(app: WSGIApplication) -> SessionMiddleware:
        return SessionMiddleware(app, options)

    return wrapped


@hiding_arguments
def filter_app_factory(app: WSGIApplication, global_conf: Mapping[str, Any], **local_conf: Any) -> SessionMiddleware:
    """*app* in a middleware of the section's options, as :func:`filter_factory` reads them."""
    return filter_factory(global_conf, **local_conf)(app)


def _options(defaults: Mapping[str, Any], section: Mapping[str, Any]) -> dict[str, Any]:
    """What both say, by prefixed names: in ``[DEFAULT]``, names without a prefix belong to other parts."""
    common = {name: value for name, value in defaults.items() if name.startswith(PREFIXES)}
    own = {name if name.startswith(PREFIXES) else PREFIX + name: value for name, value in section.items()}
    return {**common, **own}
