from __future__ import annotations

from importlib import import_module

from bandpics.api.base import Router
from invitations.api import audit_events, views

import_module("invitations.api.schema")  # registers itself; no worker needs it
router = Router()
router.register("invitations", views.InvitationViewSet, basename="invitation")
router.register("audit-events", audit_events.AuditEventViewSet, basename="audit-event")

urlpatterns = router.urls
