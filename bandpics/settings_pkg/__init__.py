"""Settings, read from the environment only; whatever is missing or nonsense stops the start.

Each variable stands in docs/settings.md, the usual ones in `.env.example`, too. `NAME_FILE` is
read in place of `NAME` (Docker and Kubernetes secrets).
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import dj_email_url
import django_stubs_ext
import limits
from django.core.exceptions import ImproperlyConfigured
from environs import EnvValidationError, FileAwareEnv, ValidationError, validate
from xstatic.pkg import leaflet  # type: ignore[import-untyped]

django_stubs_ext.monkeypatch()  # ModelAdmin[Image] and the like, at run time

BASE_DIR = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
STILL_AN_EXAMPLE = "is still that of .env.example: make one of your own"

# Deferred: seal() below reports every wrong variable at once, not one per start.
env = FileAwareEnv(eager=False)


def http_origin(value: str | None) -> str | None:
    """Scheme and host, perhaps a port: no path, for signatures and CORS know none."""
    if not value:
        return None
    parts = urlsplit(value)
    is_bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not is_bare:
        raise ValidationError("must be an address such as https://photos.example.org, no path")
    # As clients say it in Host, which is signed: without the port a scheme has anyway.
    default = {"http": 80, "https": 443}[parts.scheme]
    netloc = parts.netloc.lower().removesuffix(f":{default}")
    return f"{parts.scheme}://{netloc}"


def public_origin(value: str) -> str:
    """As http_origin, and not to be left empty."""
    if not value:
        raise ValidationError("must not be empty")
    return http_origin(value) or ""


def rate(value: str) -> str:
    """So many in so long, such as 20/minute or 100 per 2 hours."""
    try:
        limits.parse(value)
    except ValueError:
        raise ValidationError("must be a rate such as 20/minute") from None
    return value


def mail_server(value: str) -> dict[str, Any]:
    """Django's EMAIL_* settings."""
    try:
        parsed: dict[str, Any] = dj_email_url.parse(value or "dummy://")
    except ValueError:
        parsed = {}
    if "EMAIL_BACKEND" not in parsed:
        raise ValidationError("must be an address such as submission://user:password@host:587")
    parsed["EMAIL_FILE_PATH"] = unquote(parsed["EMAIL_FILE_PATH"])
    return parsed


def not_the_example(value: str | None) -> None:
    """Refuses a secret that everybody can read in `.env.example`."""
    if "change-me" in (value or ""):
        raise ValidationError(STILL_AN_EXAMPLE)


def webhook_secret(value: str | None) -> str | None:
    """As standardwebhooks.com writes it (whsec_ and base64), or any text long enough."""
    if not value:
        return None
    if value.startswith("whsec_"):
        try:
            key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValidationError("must be base64 after whsec_") from None
        if len(key) < 24:
            raise ValidationError("must hold 24 bytes or more after whsec_")
    elif len(value) < 32 or not value.isascii() or not value.isprintable():
        raise ValidationError("must have 32 or more ASCII characters")
    return value


def queue_url(value: str | None) -> str | None:
    """Of Amazon SQS, or what speaks like it: the queue's name is its path."""
    if not value:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.path.strip("/"):
        raise ValidationError(
            "must be a queue's address, such as https://sqs.eu-central-1.amazonaws.com/123/bandpics"
        )
    return value


env.add_parser("webhook_secret", webhook_secret)
env.add_parser("queue_url", queue_url)
env.add_parser("origin", http_origin)
env.add_parser("public_origin", public_origin)
env.add_parser("mail_server", mail_server)
env.add_parser("rate", rate)
LONG_SECRET: list[Any] = [validate.Length(min=32), not_the_example]

SECRET_KEY = env.str("SECRET_KEY", validate=LONG_SECRET)
DEBUG = env.bool("DEBUG", default=False)

# The address people use: base of every link that leaves this server.
PUBLIC_URL: str = env.public_origin("PUBLIC_URL") or ""
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
TRUSTED_PROXY = env.bool("TRUSTED_PROXY", default=False)
# How many proxies in a row add to X-Forwarded-For; what stands before theirs, anybody can write.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=1, validate=validate.Range(min=1))

# --- What this project is about -------------------------------------------------------------

INVITATION_TOKEN_KEY = env.str("INVITATION_TOKEN_KEY", validate=LONG_SECRET)
INVITATION_TOKEN_KEY_FALLBACKS: list[str] = env.list("INVITATION_TOKEN_KEY_FALLBACKS", default=[])
INVITATION_LIFETIME = timedelta(days=7)

# Files that somebody announced in a group and did not send yet.
UPLOADS_PENDING_MAX = env.int("UPLOADS_PENDING_MAX", default=1000, validate=validate.Range(min=100))
UPLOAD_MAX_BYTES = env.int(
    "UPLOAD_MAX_BYTES", default=250 * MIB, validate=validate.Range(min=1, max=5 * 1024 * MIB)
)
# Of a form with all its photos. Servers keep it on disk while they pass it on.
FORM_MAX_BYTES = env.int("FORM_MAX_BYTES", default=512 * MIB, validate=validate.Range(min=1))
# Of a photo inside a JSON body, decoded: all of it is in memory at once, several times over.
BASE64_MAX_BYTES = env.int("BASE64_MAX_BYTES", default=40 * MIB, validate=validate.Range(min=1))
# The map on which guests pin a place, asked for only once they agree. Empty: no map.
MAP_TILE_URL = env.str(
    "MAP_TILE_URL",
    default="https://tile.openstreetmap.org/{z}/{x}/{y}.png",
    validate=validate.Regexp(
        r"^(https?://[^\s/]+/\S+)?$", error="must be like https://…/{z}/{x}/{y}"
    ),
)
MAP_ATTRIBUTION = env.str("MAP_ATTRIBUTION", default="© OpenStreetMap contributors")
# Until a worker gives a photo up: 250 MiB from a store that sends 40 Mbit/s take 52 s, the slowest
# picture we take some 10 s on a slow core. One that hangs holds a place in the worker as long.
PHOTO_MAX_SECONDS = env.int(
    "PHOTO_MAX_SECONDS", default=90, validate=validate.Range(min=10, max=600)
)
TRASH_DAYS = env.int("TRASH_DAYS", default=30, validate=validate.Range(min=0, max=36500))
UPLOAD_URL_SECONDS = env.int(
    "UPLOAD_URL_SECONDS", default=15 * 60, validate=validate.Range(min=5, max=7 * 24 * 3600)
)
# For the upload page: so long without a byte, and a connection counts as dead.
UPLOAD_STALL_SECONDS = env.int(
    "UPLOAD_STALL_SECONDS", default=15, validate=validate.Range(min=2, max=600)
)
UPLOAD_PENDING_LIFETIME = timedelta(hours=24)
# S3 takes no part below 5 MiB but the last; other stores do, tests send less.
MULTIPART_PART_BYTES = env.int(
    "UPLOAD_PART_BYTES", default=8 * MIB, validate=validate.Range(min=MIB // 4)
)
MULTIPART_THRESHOLD_BYTES = 2 * MULTIPART_PART_BYTES

# --- People ---------------------------------------------------------------------------------

REGISTRATION = env.str(
    "REGISTRATION", default="closed", validate=validate.OneOf(["open", "invite", "closed"])
)
API_KEY_OVERLAP = timedelta(hours=24)  # how long a rotated key keeps working

# Signs our own tokens. Without one of its own, whoever changes SECRET_KEY signs everybody out.
JWT_SIGNING_KEY = env.str("JWT_SIGNING_KEY", default=None, validate=validate.Length(min=32))

# Somebody else's tokens (Cognito, Keycloak, …) are taken as well once these are set.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_AUDIENCE: list[str] = env.list("OIDC_AUDIENCE", default=[])
OIDC_JWKS_URL = env.str(
    "OIDC_JWKS_URL",
    default="",
    validate=validate.Regexp(r"^(https?://[^\s/]+\S*)?$", error="must be an address, https://…"),
)
# Cognito's access tokens name their audience `client_id`.
OIDC_CLIENT_ID_IS_AUDIENCE = env.bool("OIDC_CLIENT_ID_IS_AUDIENCE", default=False)
OIDC_CREATES_USERS = env.bool("OIDC_CREATES_USERS", default=False)
# What a person gets who is new: a team and a group. By name: it lives in an app above.
MAKE_HOME = "groups.registration.make_home"

# Guests send hundreds of photos within minutes and share an address; guessers get little.
RATE_LIMITS: dict[str, str] = {
    "address": env.rate("RATE_LIMIT_ADDRESS", default="300/minute"),
    "user": env.rate("RATE_LIMIT_USER", default="1200/minute"),
    "key": env.rate("RATE_LIMIT_KEY", default="1200/minute"),
    "invitation": env.rate("RATE_LIMIT_INVITATION", default="6000/minute"),
    "device": env.rate("RATE_LIMIT_DEVICE", default="1200/minute"),
    "guess": env.rate("RATE_LIMIT_GUESS", default="30/minute"),
    "password": env.rate("RATE_LIMIT_PASSWORD", default="10 per 15 minutes"),
    "account": env.rate("RATE_LIMIT_ACCOUNT", default="100/hour"),
    "mail": env.rate("RATE_LIMIT_MAIL", default="200/hour"),
    "register": env.rate("RATE_LIMIT_REGISTER", default="20/hour"),
}
IDEMPOTENCY_LIFETIME = timedelta(hours=24)

# --- Stores ---------------------------------------------------------------------------------

DATABASES: dict[str, Any] = {
    "default": env.dj_db_url(
        "DATABASE_URL", conn_max_age=600, conn_health_checks=True, ssl_require=False
    )
    or {}
}
# What a frozen process or a lost machine holds in Postgres, a row in an open transaction for one,
# is let go of within half a minute; and nobody waits for a Postgres that is lost for longer.
_SESSION = {
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}
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

# How many connections a web process has; whoever needs one more waits. 0: one per thread, kept.
DATABASE_POOL_SIZE = env.int(
    "DATABASE_POOL_SIZE", default=0, validate=validate.Range(min=0, max=1000)
)

# What carries rings to the workers; Redis does it, too. An empty one says the same as none.
BROKER_URL = (
    env.str(
        "BROKER_URL", default=None, validate=validate.Regexp(r"^((rediss?|unix|amqps?)://.+)?$")
    )
    or REDIS_URL
)

S3_BUCKET: str = env.str("S3_BUCKET", validate=validate.Length(min=3, max=63))
S3_REGION = env.str("S3_REGION", default="us-east-1")
# Empty: AWS itself. The public one is what a browser can reach, if that is another address.
S3_ENDPOINT_URL = env.origin("S3_ENDPOINT_URL", default=None)
S3_PUBLIC_ENDPOINT_URL = env.origin("S3_PUBLIC_ENDPOINT_URL", default=None) or S3_ENDPOINT_URL
# Empty: boto3's own chain (instance role, web identity, ~/.aws).
S3_ACCESS_KEY = env.str("S3_ACCESS_KEY", default=None, validate=not_the_example)
S3_SECRET_KEY = env.str("S3_SECRET_KEY", default=None, validate=not_the_example)
S3_ADDRESSING_STYLE = env.str(
    "S3_ADDRESSING_STYLE", default="path", validate=validate.OneOf(["path", "virtual"])
)
# What the store tells of its own accord: by webhook, or by a queue. Neither is needed.
STORAGE_EVENTS_SECRET: str | None = env.webhook_secret("STORAGE_EVENTS_SECRET", default=None)
STORAGE_EVENTS_QUEUE_URL: str | None = env.queue_url("STORAGE_EVENTS_QUEUE_URL", default=None)
STORAGE_EVENTS_QUEUE_REGION = env.str("STORAGE_EVENTS_QUEUE_REGION", default=None) or S3_REGION
STORAGE_EVENTS_QUEUE_ENDPOINT_URL = env.origin("STORAGE_EVENTS_QUEUE_ENDPOINT_URL", default=None)
# Presigned GETs end on a whole hour, so that browsers can cache what they point to.
DOWNLOAD_URL_LIFETIME = timedelta(hours=1)

# Without one, no e-mail is sent: printed, its link would stand in a log.
EMAIL_URL: dict[str, Any] = env.mail_server("EMAIL_URL", default="dummy://") or {}
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="")

# From SIGTERM to the end of the listener: for balancers to see that /readyz is red.
WEB_DRAIN_SECONDS = env.int("WEB_DRAIN_SECONDS", default=5, validate=validate.Range(min=0, max=600))
HSTS_SUBDOMAINS = env.bool("HSTS_SUBDOMAINS", default=False)

LOG_LEVEL = env.str(
    "LOG_LEVEL", default="INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])
)
STATIC_ROOT = env.path("STATIC_ROOT", default=BASE_DIR / "staticfiles")
# Where workers keep a photo while they work on it. Empty: the system's temporary folder.
WORK_DIR = env.path("WORK_DIR", default=None)

try:
    env.seal()
except EnvValidationError as error:
    messages = cast("dict[str, list[str]]", error.error_messages)
    wrong = "; ".join(f"{name}: {' '.join(why)}" for name, why in messages.items())
    raise ImproperlyConfigured(
        f"{wrong} (docs/settings.md explains each; beside a `make run` in a folder of its own: "
        "manage.py --data-dir FOLDER …)"
    ) from None

if "change-me" in DATABASES["default"].get("PASSWORD", ""):
    raise ImproperlyConfigured(f"The password in DATABASE_URL {STILL_AN_EXAMPLE}.")
if OIDC_ISSUER and not (OIDC_AUDIENCE and OIDC_JWKS_URL):
    raise ImproperlyConfigured("OIDC_ISSUER needs OIDC_AUDIENCE and OIDC_JWKS_URL, too.")
if OIDC_ISSUER and REGISTRATION != "closed":
    # Else somebody could register the address of another before they sign in with their issuer.
    # An invitation proves no address: whoever sent it reads its link, too.
    raise ImproperlyConfigured(
        "Registering here proves no e-mail address, while OIDC_ISSUER trusts addresses. Set "
        "REGISTRATION to closed (OIDC_CREATES_USERS lets people in), or leave out OIDC_ISSUER."
    )

if DATABASE_POOL_SIZE:
    # The pool keeps them, so Django must not. Shorter than a probe or a balancer waits.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": DATABASE_POOL_SIZE,
        "timeout": 3.0,
    }

TRASH_LIFETIME = timedelta(days=TRASH_DAYS)
# How long a mirror may stay away and still learn which photos were purged or moved.
TOMBSTONE_LIFETIME = timedelta(days=400)
UPLOAD_URL_LIFETIME = timedelta(seconds=UPLOAD_URL_SECONDS)
# Django spools what comes by a form there.
FILE_UPLOAD_TEMP_DIR: str | None = str(WORK_DIR) if WORK_DIR else None

_secure = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = [urlsplit(PUBLIC_URL).hostname or "", *ALLOWED_HOSTS]

STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "images.storage.objects.PhotoStorage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "region_name": S3_REGION,
            "endpoint_url": S3_ENDPOINT_URL,
            "access_key": S3_ACCESS_KEY,
            "secret_key": S3_SECRET_KEY,
            "addressing_style": S3_ADDRESSING_STYLE,
            "signature_version": "s3v4",
            "file_overwrite": True,
            "default_acl": None,
            "querystring_auth": True,
        },
    },
    "staticfiles": {"BACKEND": "bandpics.static.ModuleStaticFilesStorage"},
}

# --- Django ---------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "bandpics.users",
    "bandpics.local",
    "groups",
    "invitations",
    "images",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bandpics.middleware.compression.CompressionMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "bandpics.middleware.append_slash.CommonMiddleware",
    "bandpics.middleware.body_limit.BodyLimit",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "bandpics.urls"
WSGI_APPLICATION = "bandpics.wsgi.application"
AUTH_USER_MODEL = "users.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

AUTHENTICATION_BACKENDS = ["bandpics.users.passwords.PasswordBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
# What people are greeted in; `make messages` keeps the catalogues in step.
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "bandpics" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static", ("leaflet", leaflet.BASE_DIR)]
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

# --- Mail -----------------------------------------------------------------------------------

EMAIL_BACKEND = EMAIL_URL["EMAIL_BACKEND"]
EMAIL_HOST = EMAIL_URL["EMAIL_HOST"] or "localhost"
EMAIL_PORT = EMAIL_URL["EMAIL_PORT"] or 25
EMAIL_HOST_USER = EMAIL_URL["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = EMAIL_URL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = EMAIL_URL["EMAIL_USE_TLS"]
EMAIL_USE_SSL = EMAIL_URL["EMAIL_USE_SSL"]
EMAIL_FILE_PATH = EMAIL_URL["EMAIL_FILE_PATH"] or None
EMAIL_TIMEOUT = EMAIL_URL["EMAIL_TIMEOUT"] or 10  # seconds: somebody waits for the answer
DEFAULT_FROM_EMAIL = DEFAULT_FROM_EMAIL or f"Bandpics <bandpics@{urlsplit(PUBLIC_URL).hostname}>"

# --- Security -------------------------------------------------------------------------------

if TRUSTED_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SECURE_SSL_REDIRECT = _secure
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes speak plain HTTP
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
# For the operator to say: it forbids plain HTTP to every other name below this one, for a year.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _secure and HSTS_SUBDOMAINS
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
# Not `no-referrer`: that breaks Django's CSRF check on https. Tokens never leave our origin.
SECURE_REFERRER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "bandpics.error_handlers.csrf_failure"
X_FRAME_OPTIONS = "DENY"

_s3_origins = [
    f"{parts.scheme}://{parts.netloc}"
    for parts in [urlsplit(S3_PUBLIC_ENDPOINT_URL or f"https://s3.{S3_REGION}.amazonaws.com")]
]
if S3_ADDRESSING_STYLE == "virtual":
    _s3_origins = [origin.replace("://", f"://{S3_BUCKET}.", 1) for origin in _s3_origins]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "font-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:", *_s3_origins],
        "connect-src": ["'self'", *_s3_origins],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- API ------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["bandpics.api.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["bandpics.api.parsers.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "bandpics.api.renderers.BrowsableRenderer",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["bandpics.api.throttles.CredentialLimit"],
    "EXCEPTION_HANDLER": "bandpics.api.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "bandpics.api.schema.Schema",
    "DEFAULT_VERSIONING_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,  # `format` is a filter of photos; the Accept header decides
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY
    or hashlib.sha256(f"bandpics.jwt {SECRET_KEY}".encode()).hexdigest(),
    "ISSUER": "bandpics",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "LEEWAY": timedelta(seconds=10),
    "CHECK_REVOKE_TOKEN": True,  # a changed password ends them
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Bandpics",
    "DESCRIPTION": "Collect the photos of an evening: announce, PUT to storage, complete, see.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # says null as JSON Schema does
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "UploadStatus": "images.models.Upload.Status",
        "UploadFailure": "images.models.Upload.Failure",
        "ModerationState": "images.models.Image.Moderation",
        "GpsSource": "images.models.Image.GpsSource",
        "GpsPolicy": "groups.models.Group.GpsPolicy",
        "Visibility": "groups.models.Group.Visibility",
        "Role": "groups.models.Membership.Role",
        "InvitationKind": "invitations.models.Invitation.Kind",
        "InvitationState": "invitations.models.Invitation.State",
        "Scope": "bandpics.users.models.Scope",
    },
    "ENFORCE_NON_BLANK_FIELDS": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "bandpics.api.schema.add_problems",
    ],
}

# --- Work -----------------------------------------------------------------------------------

CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker as long as it takes
# A web request that rings the doorbell must not hang on a dead Redis: the row is the record
# and the sweeper rings again.
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"read_timeout": 10, "write_timeout": 10}
    if BROKER_URL.startswith("amqp")
    else {
        "visibility_timeout": 900,  # longer than the hard limit of any task
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
    }
)
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "images"
CELERY_TASK_ROUTES = {
    "images.tasks.sweep": {"queue": "sweep"},
    "images.tasks.remove_strays": {"queue": "sweep"},
    "images.tasks.update_trashed_marker": {"queue": "sweep"},
}
# Of one photo; the sweeper's tasks say their own. A decoder in C hears of the hard one only.
CELERY_TASK_SOFT_TIME_LIMIT = PHOTO_MAX_SECONDS
CELERY_TASK_TIME_LIMIT = PHOTO_MAX_SECONDS + 15
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "images.tasks.sweep", "schedule": 10.0},
    "remove-strays": {"task": "images.tasks.remove_strays", "schedule": 900.0},
}

# --- Logs -----------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"no_tokens": {"()": "bandpics.logs.WithoutTokens"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["no_tokens"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {"django.server": {"handlers": ["console"], "propagate": False}},
}
