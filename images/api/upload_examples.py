"""Examples of the API description of uploads."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

ANNOUNCEMENT_EXAMPLES = [
    OpenApiExample(
        "Two photos",
        {
            "group": "0198d3c5-7c1e-7a42-9b1c-3f0e5d2a6b47",
            "files": [
                {"filename": "stage.jpg", "content_type": "image/jpeg", "size": 245760},
                {"filename": "crowd.heic", "content_type": "image/heic", "size": 20971520},
            ],
        },
        request_only=True,
    ),
    OpenApiExample(
        "One to send whole, one in parts",
        {
            "uploads": [
                {
                    "id": "0198d3c5-7c1e-7a42-9b1c-3f0e5d2a6b48",
                    "client_id": None,
                    "status": "pending",
                    "is_final": False,
                    "upload": {
                        "method": "PUT",
                        "url": "https://photos.example.org/bandpics/incoming/0198d3c5?X-Amz-…",
                        "headers": {"Content-Type": "image/jpeg"},
                        "expires_at": "2026-06-21T19:45:00Z",
                    },
                },
                {
                    "id": "0198d3c5-7c1e-7a42-9b1c-3f0e5d2a6b49",
                    "client_id": None,
                    "status": "pending",
                    "is_final": False,
                    "multipart": {"part_size": 8388608, "part_count": 3},
                },
            ]
        },
        response_only=True,
        status_codes=["201"],
    ),
]
