"""A mail server on loopback that answers as a test tells it to."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

from bandpics.local import addresses

if TYPE_CHECKING:
    from email.message import EmailMessage


class MailServer:
    """Keeps what it accepts. `answers` by recipient, or `to_all`, are replies to RCPT TO."""

    def __init__(self) -> None:
        self.port = addresses.free_port(addresses.LOOPBACK)
        self.mails: list[EmailMessage] = []
        self.connections = 0
        self.answers: dict[str, str] = {}
        self.to_data = "250 OK"
        self._controller: Controller | None = None

    def start(self, settings: Any = None) -> None:
        """Starts to answer; `settings` of a test are told to send here."""
        if settings is not None:
            settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
            settings.EMAIL_HOST, settings.EMAIL_PORT = addresses.LOOPBACK, self.port
            settings.EMAIL_TIMEOUT = 2
        self._controller = Controller(self, hostname=addresses.LOOPBACK, port=self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    @property
    def recipients(self) -> list[str]:
        return [str(each["To"]) for each in self.mails]

    # What aiosmtpd calls.

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.to_data.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.to_data
