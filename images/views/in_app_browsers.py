"""Recognizes browsers inside other apps: they keep no storage, and some cannot choose many photos.

Each names itself in its user agent. WhatsApp, Signal and iMessage open the phone's own browser.
"""

from __future__ import annotations

import re

# (the app, its user agent). The first match wins: Messenger calls itself FBAN, too.
_APPS = [
    ("Instagram", re.compile(r"\bInstagram\b")),
    ("Messenger", re.compile(r"\bFB(?:AN|AV)/Messenger|\bFBAN/MessengerForiOS|\borca\b")),
    ("Facebook", re.compile(r"\bFBA[NV]/|\bFB_IAB/")),
    ("Threads", re.compile(r"\bBarcelona\b")),
    ("TikTok", re.compile(r"\bmusical_ly|\bBytedanceWebview|\bTikTok\b|\btrill_")),
    ("LinkedIn", re.compile(r"\bLinkedInApp\b")),
    ("Snapchat", re.compile(r"\bSnapchat\b")),
    ("Pinterest", re.compile(r"\bPinterest/")),
    ("WeChat", re.compile(r"\bMicroMessenger/")),
    ("LINE", re.compile(r"\bLine/\d")),
    ("Telegram", re.compile(r"\bTelegram-(?:Android|iOS)")),
    ("X", re.compile(r"\bTwitter for |\bTwitterAndroid\b")),
]
_ANY_WEBVIEW = re.compile(r"\bAndroid\b.*; wv\)")


def name_of(user_agent: str) -> str:
    """The app's name; `?` for one that gives none; empty for a real browser."""
    for name, pattern in _APPS:
        if pattern.search(user_agent[:1000]):
            return name
    return "?" if _ANY_WEBVIEW.search(user_agent[:1000]) else ""
