# What containers get as environment variables: docs/settings.md explains each. A test compares the
# two, so that a new setting is not forgotten here.

variable "settings" {
  description = "Settings of docs/settings.md that differ from their defaults, by name."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for name in keys(var.settings) : contains([
        "ALLOWED_HOSTS", "REGISTRATION",
        "OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_JWKS_URL", "OIDC_CLIENT_ID_IS_AUDIENCE", "OIDC_CREATES_USERS",
        "RATE_LIMIT_USER", "RATE_LIMIT_KEY", "RATE_LIMIT_DEVICE", "RATE_LIMIT_INVITATION",
        "RATE_LIMIT_ADDRESS", "RATE_LIMIT_WALL", "RATE_LIMIT_GUESS", "RATE_LIMIT_WORD",
        "RATE_LIMIT_PIN", "RATE_LIMIT_PIN_WORD", "RATE_LIMIT_PASSWORD", "RATE_LIMIT_ACCOUNT",
        "RATE_LIMIT_MAIL", "RATE_LIMIT_REGISTER", "RATE_LIMIT_RESET", "RATE_LIMIT_TAKEDOWN",
        "MAILS_PER_DAY", "DEFAULT_FROM_EMAIL",
        "UPLOAD_MAX_BYTES", "UPLOADS_PENDING_MAX", "UPLOAD_URL_SECONDS", "UPLOAD_PART_BYTES",
        "UPLOAD_STALL_SECONDS", "FORM_MAX_BYTES", "BASE64_MAX_BYTES", "ARCHIVE_MAX_BYTES_PER_TEAM",
        "TRANSFORM_MAX_BYTES_PER_TEAM", "TRANSFORM_UNUSED_DAYS",
        "CAPTION_PROVIDER", "CAPTION_MODEL", "CAPTION_BASE_URL", "CAPTIONS_PER_DAY",
        "CAPTIONS_PER_GROUP_PER_DAY", "CAPTION_TIMEOUT_SECONDS",
        "MAP_TILE_URL", "MAP_ATTRIBUTION", "PHOTO_MAX_SECONDS", "TRASH_DAYS", "HSTS_SUBDOMAINS",
        "LOG_LEVEL", "LOG_FORMAT", "METRICS_PORT", "OTEL_EXPORTER_OTLP_ENDPOINT",
        "WEB_PROCESSES", "WORKER_PROCESSES", "WEB_THREADS", "DATABASE_POOL_SIZE",
      ], name)
    ])
    error_message = "The map has a name that is no setting, that belongs into secret_arns, or that Terraform sets by itself (see settings.tf)."
  }
}

variable "secret_arns" {
  description = "Settings that are secret, by name: the ARNs of secrets of Secrets Manager that hold the values, as plain text. Terraform never reads them. SECRET_KEY and INVITATION_TOKEN_KEY are made if they are left out."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for name in keys(var.secret_arns) : contains([
        "SECRET_KEY", "INVITATION_TOKEN_KEY", "INVITATION_TOKEN_KEY_FALLBACKS", "JWT_SIGNING_KEY",
        "DATABASE_URL", "REDIS_URL", "BROKER_URL", "EMAIL_URL", "CAPTION_API_KEY",
        "STORAGE_EVENTS_SECRET", "SENTRY_DSN",
      ], name)
    ])
    error_message = "The map has a name that is no secret setting (see settings.tf)."
  }

  validation {
    condition     = var.create_database || contains(keys(var.secret_arns), "DATABASE_URL")
    error_message = "Without create_database, secret_arns needs DATABASE_URL."
  }

  validation {
    condition     = var.create_cache || contains(keys(var.secret_arns), "REDIS_URL")
    error_message = "Without create_cache, secret_arns needs REDIS_URL."
  }
}

locals {
  # Follow from what is made here.
  derived_settings = merge(local.redis_url, {
    PUBLIC_URL             = "https://${var.domain}"
    TRUSTED_PROXY          = "true" # the load balancer
    TRUSTED_PROXY_COUNT    = "1"
    FORWARDED_ALLOW_IPS    = "*" # only the load balancer reaches the port
    S3_BUCKET              = aws_s3_bucket.media.bucket
    S3_REGION              = var.region
    S3_PUBLIC_ENDPOINT_URL = "https://s3.${var.region}.amazonaws.com"
    S3_ADDRESSING_STYLE    = "path"
    LOGS_BUCKET            = aws_s3_bucket.logs.bucket

    STORAGE_EVENTS_QUEUE_URL    = aws_sqs_queue.events.url
    STORAGE_EVENTS_QUEUE_REGION = var.region

    WEB_PORT              = tostring(local.web_port)
    WEB_KEEPALIVE_SECONDS = "75" # longer than the load balancer keeps idle connections: 60 s
    WEB_DRAIN_SECONDS     = "25" # longer than it takes to notice that /readyz is red: 2 × 10 s
    WORK_DIR              = "/work"
    CLOUDWATCH_METRICS    = "true"
  })

  # Without ssl_cert_reqs Celery would not check whose certificate it is.
  redis_url = var.create_cache ? {
    REDIS_URL = "rediss://${aws_elasticache_replication_group.cache[0].primary_endpoint_address}:6379/0?ssl_cert_reqs=required"
  } : {}

  # Of no use on ECS: the image, AWS and the roles of the containers know them.
  settings_not_needed = [
    "S3_ENDPOINT_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY", "STORAGE_EVENTS_QUEUE_ENDPOINT_URL",
    "STATIC_ROOT", "DEBUG", "METRICS_HOST", "BACKUP_DIR",
  ]

  secret_arns = merge(
    { for name, secret in aws_secretsmanager_secret.made : name => secret.arn },
    var.create_database ? { DATABASE_URL = aws_secretsmanager_secret.database_url[0].arn } : {},
    var.secret_arns,
  )

  # Every role reads the same settings at its start. Other secrets are for those that use them.
  secrets_of_all = [
    "SECRET_KEY", "INVITATION_TOKEN_KEY", "DATABASE_URL", "REDIS_URL", "BROKER_URL", "SENTRY_DSN",
  ]
  secrets_of = {
    web = [
      "INVITATION_TOKEN_KEY_FALLBACKS", "JWT_SIGNING_KEY", "EMAIL_URL", "CAPTION_API_KEY", "STORAGE_EVENTS_SECRET",
    ]
    sweeper  = ["INVITATION_TOKEN_KEY_FALLBACKS", "EMAIL_URL", "CAPTION_API_KEY"]
    captions = ["CAPTION_API_KEY"]
  }
}
