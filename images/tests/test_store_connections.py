"""A worker keeps its connections to the store from photo to photo.

A photo's five PUTs go over several at once. One connection for all of them took no less cpu time
(6.8 ms for 6.6 ms), and 188 ms for 114 until all were stored: meanwhile the worker renders nothing.
"""

from __future__ import annotations

import pytest

from bandpics.testing.fault_proxy import FaultProxy
from images import tasks
from images.models import Upload
from images.storage.objects import PUTS_AT_ONCE
from images.tests import drawn_pictures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def counted(settings):
    """The store behind a proxy that counts; as patient with it as a worker is."""
    with FaultProxy(settings.S3_ENDPOINT_URL) as proxy:
        stores = settings.STORAGES
        options = {**stores["default"]["OPTIONS"], "endpoint_url": proxy.url}
        settings.STORAGES = {**stores, "default": {**stores["default"], "OPTIONS": options}}
        yield proxy


def test_photos_take_no_new_connections_and_one_request_for_each_object(cleo, counted):
    uploads = [
        cleo.send(drawn_pictures.jpeg(width=1800, height=1200, seed=seed)) for seed in range(4)
    ]
    before = counted.connections
    tasks.process_upload(str(uploads[0].pk))
    warm = counted.connections
    assert warm - before <= PUTS_AT_ONCE
    requests = counted.count_requests(r"^\w+ /")
    for upload in uploads[1:]:
        tasks.process_upload(str(upload.pk))
    assert Upload.objects.filter(status=Upload.Status.DONE).count() == 4
    # Threads share the connections: however they take turns, no more are open than there are.
    assert counted.connections - before <= PUTS_AT_ONCE
    made = counted.count_requests(r"^\w+ /") - requests
    variants = uploads[0].image.variants.count()
    # The bytes, each variant, the original, and the end of quarantine.
    assert made == 3 * (1 + variants + 1 + 1)
