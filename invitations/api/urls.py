from __future__ import annotations

from django.urls import path

from invitations.api import views

urlpatterns = [
    path("invitations/", views.InvitationList.as_view(), name="invitation-list"),
    path(
        "invitations/<uuid:invitation_id>/",
        views.InvitationDetail.as_view(),
        name="invitation-detail",
    ),
    path(
        "invitations/<uuid:invitation_id>/revoke/",
        views.InvitationRevoke.as_view(),
        name="invitation-revoke",
    ),
    path(
        "invitations/<uuid:invitation_id>/rotate/",
        views.InvitationRotate.as_view(),
        name="invitation-rotate",
    ),
    path(
        "invitations/<uuid:invitation_id>/qr/", views.InvitationQr.as_view(), name="invitation-qr"
    ),
]
