"""Template filters that tell how far a clock is shifted."""

from __future__ import annotations

from django import template
from django.utils.translation import ngettext

register = template.Library()


@register.filter
def shift(minutes: int) -> str:
    """`+1 day 2 hours 5 minutes`; with a minus if the clock was fast."""
    days, rest = divmod(abs(minutes), 24 * 60)
    hours, left = divmod(rest, 60)
    parts = [
        ngettext("{count} day", "{count} days", days).format(count=days) if days else "",
        ngettext("{count} hour", "{count} hours", hours).format(count=hours) if hours else "",
        ngettext("{count} minute", "{count} minutes", left).format(count=left) if left else "",
    ]
    return ("\N{MINUS SIGN}" if minutes < 0 else "+") + " ".join(part for part in parts if part)
