"""The name and the reason of an event as labels of a metric: only words that are known beforehand."""

from __future__ import annotations

from sessionware.events import Event

OTHER = "other"
#: The events, with the reasons of each. "" stands for none, and for the text of an error or an origin, which may be
#: anything: each value of a label is a time series of its own that is never given back.
REASONS: dict[str, tuple[str, ...]] = {
    "created": ("", "login"),
    "loaded": ("", "old_key"),
    "saved": ("",),
    "merged": ("",),
    "renewed": ("",),
    "regenerated": ("login", "relogin", "confirm", "regenerate", "remember", "taken_over"),
    "ended": ("invalidated", "emptied", "login"),
    "revoked": ("", "limit"),
    "rejected": (
        "malformed",
        "bad_signature",
        "unknown_key",
        "undecryptable",
        "unknown_id",
        "idle",
        "too_old",
        "revoked",
        "superseded",
    ),
    "conflict": ("",),
    "discarded": (
        "ended",
        "superseded",
        "app_raised",
        "error_status",
        "skipped",
        "unanswered",
        "not_saved",
        "unreadable",
    ),
    "store_failed": ("",),
    "refused": ("",),
}
ALL = tuple((name, reason) for name, reasons in REASONS.items() for reason in reasons)


def labels_of(event: Event) -> tuple[str, str]:
    """The name and the reason to count *event* by; of ``old_key 1a2b3c4d`` the first word."""
    reasons = REASONS.get(event.name)
    if reasons is None:
        return OTHER, ""
    if reasons == ("",):
        return event.name, ""
    reason = (event.reason or "").partition(" ")[0]
    return event.name, reason if reason in reasons else OTHER
