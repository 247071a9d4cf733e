"""Django's backend for Postgres, which asks less often whether a kept connection is usable."""
