from __future__ import annotations

from bandpics.api.base import Router
from invitations.api import audit_events, views

router = Router()
router.register("invitations", views.InvitationViewSet, basename="invitation")
router.register("audit-events", audit_events.AuditEventViewSet, basename="audit-event")

urlpatterns = router.urls
