"""The URLs of the whole site. `/api/v1/` is a contract."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from bandpics import health
from bandpics.api import accounts, tokens
from bandpics.api import views as api
from invitations.api.registration import Register

admin.autodiscover()
urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    # First: each request tries the addresses in this order, and most requests are for these.
    path("api/v1/", include("images.api.urls")),
    path("admin/", admin.site.urls),
    path("problems/<slug:slug>/", api.explain_problem, name="problem"),
    path("api/v1/", api.Root.as_view(), name="api-root"),
    path("api/v1/schema/", api.Schema.as_view(), name="schema"),
    path("api/v1/docs/", api.Docs.as_view(), name="docs"),
    path("api/v1/token/", tokens.SignIn.as_view(), name="token"),
    path("api/v1/token/refresh/", tokens.Refresh.as_view(), name="token-refresh"),
    path("api/v1/users/", Register.as_view(), name="user-list"),
    path("api/v1/users/me/", accounts.Me.as_view(), name="me"),
    path("api/v1/", include("groups.api.urls")),
    path("api/v1/", include("invitations.api.urls")),
    path("", include("bandpics.account.urls")),
    path("", include("invitations.urls")),
    path("", include("images.urls")),
]

handler400 = "bandpics.error_handlers.bad_request"
handler403 = "bandpics.error_handlers.forbidden"
handler404 = "bandpics.error_handlers.not_found"
handler500 = "bandpics.error_handlers.server_error"
