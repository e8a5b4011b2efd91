"""How the demo answers: with a page, with a frame of a page, or with the way back to the beginning."""

from __future__ import annotations

from werkzeug.wrappers import Response

_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "form-action {forms}; frame-src {frames}; frame-ancestors {parents}"
)
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
PAGE_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": _POLICY.format(forms="'self'", frames="'self'", parents="'none'"),
}
FRAME_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": _POLICY.format(forms="'none'", frames="'none'", parents="'self'"),
}


def page(html: str, status: int = 200) -> Response:
    return Response(html, status, headers=PAGE_HEADERS, mimetype="text/html")


def frame(html: str) -> Response:
    """A part of a page, which only a page of this site may hold."""
    return Response(html, headers=FRAME_HEADERS, mimetype="text/html")


def to_home() -> Response:
    return Response(status=303, headers={"Location": "/", **PAGE_HEADERS})
