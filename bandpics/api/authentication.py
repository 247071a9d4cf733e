"""How members sign in to the API."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, SessionAuthentication

# In this order: the first that finds its own kind of credential decides.
MEMBER_AUTHENTICATION: list[type[BaseAuthentication]] = [SessionAuthentication]
