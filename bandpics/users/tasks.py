"""Mails about accounts. A task that is lost is asked for again by the person."""

from __future__ import annotations

import logging
from smtplib import SMTPException
from typing import Any

from celery import shared_task
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from bandpics.users import email_change
from bandpics.users.models import User

logger = logging.getLogger(__name__)
# After 30, 60, 120, … seconds.
mail_task = shared_task(autoretry_for=(OSError, SMTPException), max_retries=5, retry_backoff=30)


@mail_task
def mail_password_link(email: str, language: str) -> None:
    """Mails a link for a new password to an account with a password, if there is one."""
    user = User.objects.with_email(email).filter(is_active=True).first()
    if user is None or not user.has_usable_password():
        return
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    path = reverse("reset-password", kwargs={"uidb64": uid, "token": token})
    _send("password", to=user.email, language=language, person=user, link=_absolute(path))


@mail_task
def mail_email_link(user_id: int, new: str, language: str) -> None:
    """Mails a link to the new address; once that is accepted, word of it to the old one."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return
    path = reverse("confirm-email", kwargs={"token": email_change.token_of(user, new=new)})
    _send("new_address", to=new, language=language, person=user, link=_absolute(path))
    mail_email_notice.delay(user.pk, new, language)


@mail_task
def mail_email_notice(user_id: int, new: str, language: str) -> None:
    """Tells the old address that it is about to be replaced."""
    user = User.objects.filter(pk=user_id).exclude(email=new).first()
    if user is not None:
        _send("old_address", to=user.email, language=language, person=user, new=new)


def _absolute(path: str) -> str:
    return f"{settings.PUBLIC_URL}{path}"


def _send(name: str, *, to: str, language: str, **context: Any) -> None:
    with translation.override(language):
        subject = " ".join(render_to_string(f"account/mail/{name}_subject.txt", context).split())
        body = render_to_string(f"account/mail/{name}_body.txt", context)
    try:
        EmailMessage(subject=subject, body=body, to=[to]).send()
    except ValueError as error:
        # An address that fits in no header. The message may hold it: not logged.
        logger.warning("A mail about an account was not sent: %s", type(error).__name__)
