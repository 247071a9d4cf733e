"""Django's `migrate`, which does not wait for ever on a lock."""

from __future__ import annotations

import time
from typing import Any

from django.core.management import CommandError
from django.core.management.commands.migrate import Command as Migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

# While a migration waits for a lock, everybody who comes later waits behind it.
LOCK_SECONDS = 5
ATTEMPTS = 5
PAUSE_SECONDS = 2.0


class Command(Migrate):
    help = (
        f"{Migrate.help} Waits {LOCK_SECONDS} seconds for a lock, {ATTEMPTS} times; a migration "
        "that gets none changes nothing, but may leave an unfinished index until it runs again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError if somebody else keeps a table locked."""
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS}s"])
        for attempt in range(ATTEMPTS):
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
                time.sleep(PAUSE_SECONDS * (attempt + 1))
            else:
                return
        raise CommandError(
            "Somebody keeps a table locked that a migration changes: a long query, or pg_dump. "
            "What was migrated before is done, the rest unchanged; an index that was being built "
            "may be left unfinished, and is of no use. Run migrate again later."
        )
