from bandpics.celery import app as celery_app

__all__ = ["__version__", "celery_app"]

# The only place: the release workflow compares it with the tag and the changelog.
__version__ = "0.1.0"
