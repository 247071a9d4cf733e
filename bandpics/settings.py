"""Settings, read from the environment only; whatever is missing or nonsense stops the start.

Each variable stands in README.md and `.env.example`. `NAME_FILE` is read in place of `NAME`
(Docker and Kubernetes secrets).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from environs import EnvValidationError, FileAwareEnv, ValidationError, validate

django_stubs_ext.monkeypatch()  # ModelAdmin[Image] and the like, at run time

BASE_DIR = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024

# Deferred: seal() below reports every wrong variable at once, not one per start.
env = FileAwareEnv(eager=False)


def http_origin(value: str | None) -> str | None:
    """An absolute http(s) address without a trailing slash."""
    if not value:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValidationError("must be an address such as https://photos.example.org")
    return value.rstrip("/")


env.add_parser("origin", http_origin)

SECRET_KEY = env.str("SECRET_KEY", validate=validate.Length(min=32))
DEBUG = env.bool("DEBUG", default=False)

# The address people use: base of every link that leaves this server.
PUBLIC_URL: str = env.origin("PUBLIC_URL") or ""
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
TRUSTED_PROXY = env.bool("TRUSTED_PROXY", default=False)

# --- What this project is about -------------------------------------------------------------

INVITATION_TOKEN_KEY = env.str("INVITATION_TOKEN_KEY", validate=validate.Length(min=32))
INVITATION_TOKEN_KEY_FALLBACKS: list[str] = env.list("INVITATION_TOKEN_KEY_FALLBACKS", default=[])
INVITATION_LIFETIME = timedelta(days=7)

UPLOAD_MAX_BYTES = env.int(
    "UPLOAD_MAX_BYTES", default=250 * MIB, validate=validate.Range(min=1, max=5 * 1024 * MIB)
)
UPLOAD_URL_LIFETIME = timedelta(minutes=15)
UPLOAD_PENDING_LIFETIME = timedelta(hours=24)
MULTIPART_THRESHOLD_BYTES = 16 * MIB
MULTIPART_PART_BYTES = 8 * MIB

# --- Stores ---------------------------------------------------------------------------------

DATABASES: dict[str, Any] = {
    "default": env.dj_db_url(
        "DATABASE_URL", conn_max_age=600, conn_health_checks=True, ssl_require=False
    )
    or {}
}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
REDIS_URL = env.str("REDIS_URL", validate=validate.Regexp(r"^(rediss?|unix)://.+"))

S3_BUCKET: str = env.str("S3_BUCKET", validate=validate.Length(min=3, max=63))
S3_REGION = env.str("S3_REGION", default="us-east-1")
# Empty: AWS itself. The public one is what a browser can reach, if that is another address.
S3_ENDPOINT_URL = env.origin("S3_ENDPOINT_URL", default=None)
S3_PUBLIC_ENDPOINT_URL = env.origin("S3_PUBLIC_ENDPOINT_URL", default=None) or S3_ENDPOINT_URL
# Empty: boto3's own chain (instance role, web identity, ~/.aws).
S3_ACCESS_KEY = env.str("S3_ACCESS_KEY", default=None)
S3_SECRET_KEY = env.str("S3_SECRET_KEY", default=None)
S3_ADDRESSING_STYLE = env.str(
    "S3_ADDRESSING_STYLE", default="path", validate=validate.OneOf(["path", "virtual"])
)
# Presigned GETs end on a whole hour, so that browsers can cache what they point to.
DOWNLOAD_URL_LIFETIME = timedelta(hours=1)

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
    raise ImproperlyConfigured(f"{wrong} (README.md explains each variable)") from None

_secure = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = [urlsplit(PUBLIC_URL).hostname or "", *ALLOWED_HOSTS]

STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "images.media.storage.PhotoStorage",
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
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
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
LANGUAGES = [("en", "English")]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

# --- Security -------------------------------------------------------------------------------

if TRUSTED_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SECURE_SSL_REDIRECT = _secure
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes speak plain HTTP
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _secure
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
# Not `no-referrer`: that breaks Django's CSRF check on https. Tokens never leave our origin.
SECURE_REFERRER_POLICY = "same-origin"
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
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "bandpics.api.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_VERSIONING_CLASS": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Bandpics",
    "DESCRIPTION": "Collect the photos of an evening: announce, PUT to storage, complete, see.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {"UploadStatus": "images.models.Upload.Status"},
}

# --- Work -----------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A web request that rings the doorbell must not hang on a dead Redis: the row is the record
# and the sweeper rings again.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,  # longer than the hard limit of any task
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "images"
CELERY_TASK_ROUTES = {"images.tasks.sweep": {"queue": "sweep"}}
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BEAT_SCHEDULE = {"sweep": {"task": "images.tasks.sweep", "schedule": 15.0}}

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
