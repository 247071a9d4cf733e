from __future__ import annotations

from bandpics.api.base import Router
from invitations.api import views

router = Router()
router.register("invitations", views.InvitationViewSet, basename="invitation")

urlpatterns = router.urls
