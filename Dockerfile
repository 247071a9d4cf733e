# One image, eight roles: web, worker, sweeper, archives, transforms, beat, migrate, events. See
# bandpics/entrypoint.py.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --require-hashes -r requirements.txt

FROM node:24-slim AS node
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # Photos are large allocations of short life; fewer arenas keep the workers' memory flat.
    MALLOC_ARENA_MAX=2 \
    STATIC_ROOT=/app/staticfiles
# Pillow orders letters from right to left by it, in the texts of watermarks.
RUN apt-get update && apt-get install -y --no-install-recommends libfribidi0 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home bandpics
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
USER bandpics
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "bandpics.entrypoint"]
CMD ["web"]
