"""Splits a store's URL into its parts and options, without repeating in an error what may be a password."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urlsplit


def split(url: str, form: str) -> tuple[SplitResult, dict[str, str]]:
    """The parts of *url*, and the options after its ``?``; a ValueError gives *form* as the example to follow."""
    scheme = scheme_of(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        # Without its cause, whose message may quote the URL.
        raise ValueError(f"the {scheme} URL cannot be read; write it as in {form}") from None
    options = query_options(url, form)
    if parts.fragment:
        raise ValueError(f"the {scheme} URL has a '#'; in a path it is written %23")
    return parts, options


def query_options(url: str, form: str) -> dict[str, str]:
    """The options after the ``?`` of *url*; each may stand there once."""
    scheme, query = scheme_of(url), url.partition("#")[0].partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError(f"the {scheme} URL cannot be read; write it as in {form}") from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ValueError(f"the {scheme} URL gives an option twice")
    return options


def scheme_of(url: str) -> str:
    """What stands before the first colon, in lower case."""
    return url.partition(":")[0].lower()
