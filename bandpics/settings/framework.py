"""Settings of Django and its libraries that are the same in every installation."""

from __future__ import annotations

from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[2]

INSTALLED_APPS = [
    "bandpics.admin_config.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",  # how long ago something was, in words
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.forms",  # its templates, for FORM_RENDERER
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "bandpics.audit",
    "bandpics.users",
    "groups",
    "invitations",
    "images",
]

MIDDLEWARE = [
    "bandpics.middleware.request_log.RequestLog",
    "bandpics.middleware.current_request.CurrentRequest",
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
    "bandpics.middleware.session_activity.SessionActivity",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "bandpics.urls"
WSGI_APPLICATION = "bandpics.wsgi.application"
AUTH_USER_MODEL = "users.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SESSION_ENGINE = "bandpics.users.sessions"
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

# So that templates/django/forms/field.html draws the fields of every form.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

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

CSRF_FAILURE_VIEW = "bandpics.error_handlers.csrf_failure"

LANGUAGE_CODE = "en"
# `make messages` keeps the catalogues of translations in step.
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LOCALE_PATHS = [BASE_DIR / "bandpics" / "locale"]
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "bandpics.node_packages.NodePackageFinder",
]
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["bandpics.api.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["bandpics.api.parsers.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "bandpics.api.renderers.JsonRenderer",
        "bandpics.api.renderers.BrowsableRenderer",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["bandpics.api.throttles.CredentialLimit"],
    "EXCEPTION_HANDLER": "bandpics.api.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "bandpics.api.schema.Schema",
    "DEFAULT_VERSIONING_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,  # `format` is a filter of photos; the Accept header decides
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Bandpics",
    "DESCRIPTION": "Collect the photos of an evening: announce, PUT to storage, complete, see.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # 3.0 has no null of JSON Schema
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
        "bandpics.api.schema.say_null",
        "bandpics.api.schema.add_problems",
    ],
}
