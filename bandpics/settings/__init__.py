"""Settings read from environment variables; a missing or wrong one stops the start.

docs/settings.md explains each variable, `.env.example` lists the usual ones. `NAME_FILE` may name
a file that holds `NAME` (Docker and Kubernetes secrets).
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONCE
from django.core.exceptions import ImproperlyConfigured
from environs import EnvValidationError, FileAwareEnv, validate

from bandpics.settings.framework import *  # noqa: F403
from bandpics.settings.framework import BASE_DIR
from bandpics.settings.parsers import LONG_SECRET, PARSERS, STILL_AN_EXAMPLE, not_the_example
from bandpics.settings.stores import pooled, storages
from bandpics.settings.tasks import *  # noqa: F403
from bandpics.telemetry import logs

django_stubs_ext.monkeypatch()  # lets ModelAdmin[Image] and the like work at run time

MIB = 1024 * 1024
at_least = between = validate.Range
ADDRESS = validate.Regexp(r"^(https?://[^\s/]+\S*)?$", error="must be an address, https://…")

# Not eager: seal() reports every wrong variable at once, not one per start.
env = FileAwareEnv(eager=False)
for parser in PARSERS:
    env.add_parser(parser.__name__, parser)

SECRET_KEY = env.str("SECRET_KEY", validate=LONG_SECRET)
DEBUG = env.bool("DEBUG", default=False)

# The address people use; every link starts with it.
PUBLIC_URL: str = env.public_origin("PUBLIC_URL") or ""
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
TRUSTED_PROXY = env.bool("TRUSTED_PROXY", default=False)
# How many proxies in a row add to X-Forwarded-For. A client can write what stands before that.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=1, validate=at_least(1))

# --- Invitations, uploads, photos -----------------------------------------------------------

INVITATION_TOKEN_KEY = env.str("INVITATION_TOKEN_KEY", validate=LONG_SECRET)
INVITATION_TOKEN_KEY_FALLBACKS: list[str] = env.list("INVITATION_TOKEN_KEY_FALLBACKS", default=[])
INVITATION_LIFETIME = timedelta(days=7)

# How many announced files one uploader may have in a group that have not arrived yet.
UPLOADS_PENDING_MAX = env.int("UPLOADS_PENDING_MAX", default=1000, validate=at_least(100))
UPLOAD_MAX_BYTES = env.int(
    "UPLOAD_MAX_BYTES", default=250 * MIB, validate=between(1, 5 * 1024 * MIB)
)
# A form with all its photos. The web server keeps it on disk while it uploads them.
FORM_MAX_BYTES = env.int("FORM_MAX_BYTES", default=512 * MIB, validate=at_least(1))
# A photo inside a JSON body, decoded; it is held in memory, several times over.
BASE64_MAX_BYTES = env.int("BASE64_MAX_BYTES", default=40 * MIB, validate=at_least(1))
# The map on which guests pin a place. It is loaded only once they agree. Empty: no map.
MAP_TILE_URL = env.str(
    "MAP_TILE_URL",
    default="https://tile.openstreetmap.org/{z}/{x}/{y}.png",
    validate=validate.Regexp(
        r"^(https?://[^\s/]+/\S+)?$", error="must be like https://…/{z}/{x}/{y}"
    ),
)
MAP_ATTRIBUTION = env.str("MAP_ATTRIBUTION", default="© OpenStreetMap contributors")
# When a worker gives up on a photo. Downloading 250 MiB at 40 Mbit/s takes 52 s, the slowest
# accepted picture about 10 s on a slow core. A photo that hangs blocks a worker process that long.
PHOTO_MAX_SECONDS = env.int("PHOTO_MAX_SECONDS", default=90, validate=between(10, 600))
TRASH_DAYS = env.int("TRASH_DAYS", default=30, validate=between(0, 36500))
UPLOAD_URL_SECONDS = env.int(
    "UPLOAD_URL_SECONDS", default=15 * 60, validate=between(5, 7 * 24 * 3600)
)
# The upload page takes a connection for dead after so many seconds without a byte.
UPLOAD_STALL_SECONDS = env.int("UPLOAD_STALL_SECONDS", default=15, validate=between(2, 600))
UPLOAD_PENDING_LIFETIME = timedelta(hours=24)
# What the ZIP archives of one team may take up in the bucket, until they expire.
ARCHIVE_MAX_BYTES_PER_TEAM = env.int(
    "ARCHIVE_MAX_BYTES_PER_TEAM", default=50 * 1024 * MIB, validate=at_least(1)
)
ARCHIVE_LIFETIME = timedelta(days=7)
# What the transforms of one team may take up; those not used for longest go first.
TRANSFORM_MAX_BYTES_PER_TEAM = env.int(
    "TRANSFORM_MAX_BYTES_PER_TEAM", default=2 * 1024 * MIB, validate=at_least(1)
)
TRANSFORM_UNUSED_DAYS = env.int("TRANSFORM_UNUSED_DAYS", default=30, validate=between(1, 3650))
# Who writes captions of photos, in groups that want it. Off without a provider or its key.
CAPTION_PROVIDER = env.str(
    "CAPTION_PROVIDER", default="", validate=validate.OneOf(["", "gemini", "openai"])
)
CAPTION_API_KEY = env.str("CAPTION_API_KEY", default="", validate=not_the_example)
CAPTION_MODEL = env.str("CAPTION_MODEL", default="", validate=validate.Length(max=80))
CAPTION_BASE_URL = env.str("CAPTION_BASE_URL", default="", validate=ADDRESS)
CAPTION_TIMEOUT_SECONDS = env.int("CAPTION_TIMEOUT_SECONDS", default=60, validate=between(1, 200))
CAPTIONS_PER_DAY = env.int("CAPTIONS_PER_DAY", default=1000, validate=at_least(1))
CAPTIONS_PER_GROUP_PER_DAY = env.int(
    "CAPTIONS_PER_GROUP_PER_DAY", default=200, validate=at_least(1)
)
CAPTIONS_ON = bool(CAPTION_PROVIDER and CAPTION_API_KEY)
# S3 refuses parts below 5 MiB except the last one; tests use other stores and smaller parts.
MULTIPART_PART_BYTES = env.int("UPLOAD_PART_BYTES", default=8 * MIB, validate=at_least(MIB // 4))
MULTIPART_THRESHOLD_BYTES = 2 * MULTIPART_PART_BYTES

# --- People ---------------------------------------------------------------------------------

REGISTRATION = env.str(
    "REGISTRATION", default="closed", validate=validate.OneOf(["open", "invite", "closed"])
)
API_KEY_OVERLAP = timedelta(hours=24)  # how long a rotated key keeps working

# Signs our own tokens. If it is not set, changing SECRET_KEY signs everybody out.
JWT_SIGNING_KEY = env.str("JWT_SIGNING_KEY", default=None, validate=validate.Length(min=32))

# Tokens of another issuer (Cognito, Keycloak, …) are accepted once these are set.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_AUDIENCE: list[str] = env.list("OIDC_AUDIENCE", default=[])
OIDC_JWKS_URL = env.str("OIDC_JWKS_URL", default="", validate=ADDRESS)
# Cognito's access tokens name their audience `client_id`.
OIDC_CLIENT_ID_IS_AUDIENCE = env.bool("OIDC_CLIENT_ID_IS_AUDIENCE", default=False)
OIDC_CREATES_USERS = env.bool("OIDC_CREATES_USERS", default=False)
# Gives a new user a team and a group. Named by its path, because `groups` lies above `users`.
MAKE_HOME = "groups.registration.make_home"

# Guests send hundreds of photos within minutes and share an address; guessing is limited tightly.
RATE_LIMITS: dict[str, str] = {
    "address": env.rate("RATE_LIMIT_ADDRESS", default="300/minute"),
    "user": env.rate("RATE_LIMIT_USER", default="1200/minute"),
    "key": env.rate("RATE_LIMIT_KEY", default="1200/minute"),
    "invitation": env.rate("RATE_LIMIT_INVITATION", default="6000/minute"),
    "device": env.rate("RATE_LIMIT_DEVICE", default="1200/minute"),
    "wall": env.rate("RATE_LIMIT_WALL", default="1200/minute"),
    "guess": env.rate("RATE_LIMIT_GUESS", default="30/minute"),
    # Wrong short addresses from one address; invitations/pins.py explains those of PINs.
    "word": env.rate("RATE_LIMIT_WORD", default="60 per 10 minutes"),
    "pin": env.rate("RATE_LIMIT_PIN", default="5 per 15 minutes"),
    "pin-word": env.rate("RATE_LIMIT_PIN_WORD", default="100/day"),
    "pin-slow": "1/minute",
    "pin-there": "20 per 15 minutes",
    # Used up by an address that opened the word, or sent the right PIN, today.
    "word-known": "1/day",
    "pin-known": "1/day",
    "password": env.rate("RATE_LIMIT_PASSWORD", default="10 per 15 minutes"),
    "account": env.rate("RATE_LIMIT_ACCOUNT", default="100/hour"),
    "mail": env.rate("RATE_LIMIT_MAIL", default="200/hour"),
    "register": env.rate("RATE_LIMIT_REGISTER", default="20/hour"),
    "reset": env.rate("RATE_LIMIT_RESET", default="5/hour"),
    "takedown": env.rate("RATE_LIMIT_TAKEDOWN", default="30/hour"),
}
IDEMPOTENCY_LIFETIME = timedelta(hours=24)

# --- Stores ---------------------------------------------------------------------------------

DATABASES: dict[str, Any] = {
    "default": env.dj_db_url(
        "DATABASE_URL", conn_max_age=600, conn_health_checks=True, ssl_require=False
    )
    or {}
}
# Postgres releases the locks of a frozen process or a lost machine within half a minute, and a
# client stops waiting for a lost Postgres after the same time.
_SESSION = {
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}
DATABASES["default"]["ENGINE"] = "bandpics.database"
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
    **DATABASES["default"].get("OPTIONS", {}),
}
REDIS_URL = env.str("REDIS_URL", validate=validate.Regexp(r"^(rediss?|unix)://.+"))

# The most connections of one web process; further threads wait. 0: one per thread, kept open.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=0, validate=between(0, 1000))

# Carries tasks to the workers. Not set or empty: Redis does.
BROKER_URL = (
    env.str(
        "BROKER_URL", default=None, validate=validate.Regexp(r"^((rediss?|unix|amqps?)://.+)?$")
    )
    or REDIS_URL
)

S3_BUCKET: str = env.str("S3_BUCKET", validate=validate.Length(min=3, max=63))
# The audit trail is shipped there. Empty: it stays in the database.
LOGS_BUCKET = env.str("LOGS_BUCKET", default="", validate=validate.Regexp(r"^(.{3,63})?$"))
S3_REGION = env.str("S3_REGION", default="us-east-1")
# Empty: AWS itself. Set the public one if browsers reach the bucket by another address.
S3_ENDPOINT_URL = env.http_origin("S3_ENDPOINT_URL", default=None)
S3_PUBLIC_ENDPOINT_URL = env.http_origin("S3_PUBLIC_ENDPOINT_URL", default=None) or S3_ENDPOINT_URL
# Empty: boto3 looks for credentials itself (instance role, web identity, ~/.aws).
S3_ACCESS_KEY = env.str("S3_ACCESS_KEY", default=None, validate=not_the_example)
S3_SECRET_KEY = env.str("S3_SECRET_KEY", default=None, validate=not_the_example)
S3_ADDRESSING_STYLE = env.str(
    "S3_ADDRESSING_STYLE", default="path", validate=validate.OneOf(["path", "virtual"])
)
# The bucket may report new objects by webhook or by queue. Neither is needed.
STORAGE_EVENTS_SECRET: str | None = env.webhook_secret("STORAGE_EVENTS_SECRET", default=None)
STORAGE_EVENTS_QUEUE_URL: str | None = env.queue_url("STORAGE_EVENTS_QUEUE_URL", default=None)
STORAGE_EVENTS_QUEUE_REGION = env.str("STORAGE_EVENTS_QUEUE_REGION", default=None) or S3_REGION
STORAGE_EVENTS_QUEUE_ENDPOINT_URL = env.http_origin(
    "STORAGE_EVENTS_QUEUE_ENDPOINT_URL", default=None
)
# Presigned GETs end on a whole hour, so that browsers can cache the objects.
DOWNLOAD_URL_LIFETIME = timedelta(hours=1)

# Not set: no e-mail is sent. Printing it instead would put its link into a log.
EMAIL_URL: dict[str, Any] = env.mail_server("EMAIL_URL", default="dummy://") or {}
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="")
# How many e-mails one person may send within 24 hours.
MAILS_PER_DAY = env.int("MAILS_PER_DAY", default=2000, validate=at_least(1))

# How long the web server goes on after SIGTERM, so that balancers see that /readyz fails.
WEB_DRAIN_SECONDS = env.int("WEB_DRAIN_SECONDS", default=5, validate=between(0, 600))
HSTS_SUBDOMAINS = env.bool("HSTS_SUBDOMAINS", default=False)

LOG_LEVEL = env.str(
    "LOG_LEVEL", default="INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])
)
CLOUDWATCH_METRICS = env.bool("CLOUDWATCH_METRICS", default=False)
LOG_FORMAT = env.str(
    "LOG_FORMAT", default=logs.PLAIN, validate=validate.OneOf([logs.PLAIN, logs.JSON])
)
# Where each role answers with its metrics. bandpics.telemetry reads these four itself, because
# gunicorn and Celery begin before Django.
METRICS_PORT = env.int("METRICS_PORT", default=None, validate=between(1, 65535))
METRICS_HOST = env.str("METRICS_HOST", default="127.0.0.1")
SENTRY_DSN = env.str("SENTRY_DSN", default="", validate=ADDRESS)
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="", validate=ADDRESS)
STATIC_ROOT = env.path("STATIC_ROOT", default=BASE_DIR / "staticfiles")
# Where workers keep photos while they process them. Empty: the system's temporary folder.
WORK_DIR = env.path("WORK_DIR", default=None)
# Where something else leaves dumps of the database; the sweeper looks how old the newest is.
BACKUP_DIR = env.path("BACKUP_DIR", default=None)

try:
    env.seal()
except EnvValidationError as error:
    messages = cast("dict[str, list[str]]", error.error_messages)
    wrong = "; ".join(f"{name}: {' '.join(why)}" for name, why in messages.items())
    raise ImproperlyConfigured(
        f"{wrong} (docs/settings.md explains each; to use a running `make run` of another folder: "
        "manage.py --data-dir FOLDER …)"
    ) from None

if "change-me" in DATABASES["default"].get("PASSWORD", ""):
    raise ImproperlyConfigured(f"The password in DATABASE_URL {STILL_AN_EXAMPLE}.")
if OIDC_ISSUER and not (OIDC_AUDIENCE and OIDC_JWKS_URL):
    raise ImproperlyConfigured("OIDC_ISSUER needs OIDC_AUDIENCE and OIDC_JWKS_URL, too.")
if OIDC_ISSUER and REGISTRATION != "closed":
    # Otherwise somebody could register another person's address before that person signs in with
    # the issuer. An invitation proves no address: its sender can read the link, too.
    raise ImproperlyConfigured(
        "Registering here proves no e-mail address, while OIDC_ISSUER trusts addresses. Set "
        "REGISTRATION to closed (OIDC_CREATES_USERS lets people in), or leave out OIDC_ISSUER."
    )

if CAPTIONS_ON and not CAPTION_MODEL:
    raise ImproperlyConfigured("CAPTION_PROVIDER needs CAPTION_MODEL, too.")

if DATABASE_POOL_SIZE:
    DATABASES["default"] |= pooled(DATABASES["default"], DATABASE_POOL_SIZE)

TRASH_LIFETIME = timedelta(days=TRASH_DAYS)
# How long tombstones are kept: a mirror that syncs less often misses purged and moved photos.
TOMBSTONE_LIFETIME = timedelta(days=400)
UPLOAD_URL_LIFETIME = timedelta(seconds=UPLOAD_URL_SECONDS)
# Django writes the files of forms there.
FILE_UPLOAD_TEMP_DIR: str | None = str(WORK_DIR) if WORK_DIR else None

_secure = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = [urlsplit(PUBLIC_URL).hostname or "", *ALLOWED_HOSTS]

STORAGES = storages(
    bucket=S3_BUCKET,
    logs_bucket=LOGS_BUCKET,
    region_name=S3_REGION,
    endpoint_url=S3_ENDPOINT_URL,
    access_key=S3_ACCESS_KEY,
    secret_key=S3_SECRET_KEY,
    addressing_style=S3_ADDRESSING_STYLE,
)

# --- Mail -----------------------------------------------------------------------------------

EMAIL_BACKEND = EMAIL_URL["EMAIL_BACKEND"]
EMAIL_HOST = EMAIL_URL["EMAIL_HOST"] or "localhost"
EMAIL_PORT = EMAIL_URL["EMAIL_PORT"] or 25
EMAIL_HOST_USER = EMAIL_URL["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = EMAIL_URL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = EMAIL_URL["EMAIL_USE_TLS"]
EMAIL_USE_SSL = EMAIL_URL["EMAIL_USE_SSL"]
EMAIL_FILE_PATH = EMAIL_URL["EMAIL_FILE_PATH"] or None
EMAIL_TIMEOUT = EMAIL_URL["EMAIL_TIMEOUT"] or 10  # seconds, because a request waits
DEFAULT_FROM_EMAIL = DEFAULT_FROM_EMAIL or f"Bandpics <bandpics@{urlsplit(PUBLIC_URL).hostname}>"

# --- Security -------------------------------------------------------------------------------

if TRUSTED_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _secure
SECURE_SSL_REDIRECT = _secure
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes use plain HTTP
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
# The operator decides: it forbids plain HTTP for all subdomains for a year.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _secure and HSTS_SUBDOMAINS
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
# `no-referrer` would break Django's CSRF check on https.
SECURE_REFERRER_POLICY = "same-origin"

_s3_origin = S3_PUBLIC_ENDPOINT_URL or f"https://s3.{S3_REGION}.amazonaws.com"
if S3_ADDRESSING_STYLE == "virtual":
    _s3_origin = _s3_origin.replace("://", f"://{S3_BUCKET}.", 1)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", NONCE],  # for the import map, on pages that have one
        "style-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:", _s3_origin],
        "connect-src": ["'self'", _s3_origin],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- Tokens ---------------------------------------------------------------------------------

SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY
    or hashlib.sha256(f"bandpics.jwt {SECRET_KEY}".encode()).hexdigest(),
    "ISSUER": "bandpics",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "LEEWAY": timedelta(seconds=10),
    "CHECK_REVOKE_TOKEN": True,  # changing the password ends them
}

# --- Celery ---------------------------------------------------------------------------------

CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker as long as it takes
# A web request that queues a task must not hang on a dead Redis: the row is the record, and the
# sweeper queues it again.
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"read_timeout": 10, "write_timeout": 10}
    if BROKER_URL.startswith("amqp")
    else {
        "visibility_timeout": 900,  # longer than the hard limit of any task
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        # A worker of several queues empties the first one first: photos go before transforms.
        "queue_order_strategy": "priority",
    }
)
# Queues of RabbitMQ serve by priority only if they are declared so; Redis' always do.
CELERY_TASK_QUEUE_MAX_PRIORITY = 2 if BROKER_URL.startswith("amqp") else None
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "images"
# The limits of one photo; the sweeper's tasks set their own. C code notices the hard limit only.
CELERY_TASK_SOFT_TIME_LIMIT = PHOTO_MAX_SECONDS
CELERY_TASK_TIME_LIMIT = PHOTO_MAX_SECONDS + 15
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False

# --- Logs -----------------------------------------------------------------------------------

LOGGING = logs.configuration(level=LOG_LEVEL, style=LOG_FORMAT)
