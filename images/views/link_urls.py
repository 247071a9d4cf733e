"""The addresses of the pages of a group's links."""

from __future__ import annotations

from django.urls import path

from images.views import invite_many, links, remind

ALL = "groups/<uuid:group_id>/invitations/"
ONE = ALL + "<uuid:invitation_id>/"

urlpatterns = [
    path(ALL, links.all_links, name="group-invitations"),
    path(ALL + "new/", links.new_link, name="new-invitation"),
    path(ALL + "many/", invite_many.invite_many, name="invite-many"),
    path(ALL + "remind/", remind.remind, name="remind"),
    path(ALL + "mail/", links.try_mail_now, name="try-mail-now"),
    path(ONE, links.one_link, name="invitation-page"),
    path(ONE + "extend/", links.extend, name="extend-invitation"),
    path(ONE + "rotate/", links.rotate, name="rotate-invitation"),
    path(ONE + "revoke/", links.revoke, name="revoke-invitation"),
    path(ONE + "mail/", links.mail_link, name="mail-invitation"),
]
