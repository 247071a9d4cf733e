# One image, nine roles: web, worker, sweeper, archives, transforms, captions, beat, migrate, events.
# See bandpics/entrypoint.py. The target `lambda` completes uploads as a function of AWS Lambda.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/venv
# requirements-telemetry.txt has the packages of SENTRY_DSN and OTEL_EXPORTER_OTLP_ENDPOINT, too.
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt requirements-telemetry.txt ./
RUN /opt/venv/bin/pip install --require-hashes -r "$REQUIREMENTS"

FROM node:24-slim@sha256:a9f5f7c91a432850b2a8a7797adf5eadb6c733ceed61167806cee7ea7fbc29df AS node
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # Photos are large allocations of short life; fewer arenas keep the workers' memory flat.
    MALLOC_ARENA_MAX=2 \
    STATIC_ROOT=/app/staticfiles \
    WORK_DIR=/work \
    LOG_FORMAT=json \
    # Of the container; its port is published nowhere.
    METRICS_HOST=0.0.0.0
# Pillow orders letters from right to left by it, in the texts of watermarks. Debian serves its
# newest version only, so that a pinned one could not be installed after its first repair.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libfribidi0 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home bandpics \
    && install --directory --owner=10001 /work
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY . .
COPY --from=node /app/node_modules node_modules
# Hashed file names are made once, here; the values only let the settings be read.
RUN SECRET_KEY=only-for-collectstatic-0123456789abcdef \
    INVITATION_TOKEN_KEY=only-for-collectstatic-0123456789abcdef \
    PUBLIC_URL=http://build DATABASE_URL=postgres://build/build REDIS_URL=redis://build \
    S3_BUCKET=build \
    python manage.py collectstatic --no-input
USER 10001
# All that is written: photos and forms in /work, little else in /tmp. The rest may be read-only.
VOLUME ["/tmp", "/work"]
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "bandpics.entrypoint"]
CMD ["web"]

FROM build AS build-lambda
COPY requirements-lambda.txt .
RUN /opt/venv/bin/pip install --require-hashes -r requirements-lambda.txt

FROM app AS lambda
COPY --from=build-lambda /opt/venv /opt/venv
ENTRYPOINT ["python", "-m", "awslambdaric"]
CMD ["images.storage_events.lambda_handler.handler"]

# What is built without a target.
FROM app
