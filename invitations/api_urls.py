from __future__ import annotations

from django.urls import path

from invitations import api

urlpatterns = [
    path("invitations/", api.InvitationList.as_view(), name="invitation-list"),
    path(
        "invitations/<uuid:invitation_id>/",
        api.InvitationDetail.as_view(),
        name="invitation-detail",
    ),
    path(
        "invitations/<uuid:invitation_id>/revoke/",
        api.InvitationRevoke.as_view(),
        name="invitation-revoke",
    ),
    path(
        "invitations/<uuid:invitation_id>/rotate/",
        api.InvitationRotate.as_view(),
        name="invitation-rotate",
    ),
    path("invitations/<uuid:invitation_id>/qr/", api.InvitationQr.as_view(), name="invitation-qr"),
]
