"""All addresses. `/api/v1/` is a contract."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from bandpics import health
from bandpics.api import views as api

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("problems/<slug:slug>/", api.explain_problem, name="problem"),
    path("api/v1/schema/", api.Schema.as_view(), name="schema"),
    path("api/v1/docs/", api.Docs.as_view(), name="docs"),
    path("api/v1/", include("groups.api_urls")),
    path("api/v1/", include("images.api.urls")),
    path("", include("images.urls")),
]
