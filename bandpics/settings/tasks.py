"""Which queue each task goes to, and what beat does when."""

from __future__ import annotations

from typing import Any

CELERY_TASK_ROUTES: dict[str, Any] = {
    "images.tasks.sweep": {"queue": "sweep"},
    "images.tasks.clean_quarantine": {"queue": "sweep"},
    "images.tasks.update_trashed_marker": {"queue": "sweep"},
    "images.tasks.tell_subscribers": {"queue": "sweep"},
    "images.tasks.ship_audit_trail": {"queue": "sweep"},
    "images.tasks.build_archive": {"queue": "archives"},
    "images.tasks.render_transform": {"queue": "transforms"},
    "images.tasks.write_caption": {"queue": "captions"},
    "invitations.tasks.send_mail": {"queue": "mail"},
    "bandpics.users.tasks.*": {"queue": "mail"},
}
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "sweep": {"task": "images.tasks.sweep", "schedule": 10.0},
    # A message that nobody took is not needed: the next one does the same.
    "send-mail": {
        "task": "invitations.tasks.send_mail",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "tell-subscribers": {
        "task": "images.tasks.tell_subscribers",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "ship-audit-trail": {
        "task": "images.tasks.ship_audit_trail",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "clean-quarantine": {"task": "images.tasks.clean_quarantine", "schedule": 900.0},
}
