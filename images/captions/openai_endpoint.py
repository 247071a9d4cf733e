"""Captions by any endpoint that speaks OpenAI's chat completions: theirs, or a local server."""

from __future__ import annotations

import base64

import httpx2
import openai
from django.conf import settings

from images.captions import bounded_http, provider


class OpenAIEndpoint:
    def __init__(self) -> None:
        self._client = openai.OpenAI(
            api_key=settings.CAPTION_API_KEY,
            base_url=settings.CAPTION_BASE_URL or f"https://{provider.HOSTS[provider.OPENAI]}/v1",
            timeout=settings.CAPTION_TIMEOUT_SECONDS,
            max_retries=0,  # the row says when it is tried again
            http_client=bounded_http.client(),
        )

    def caption(self, picture: bytes, *, language: str) -> provider.Answer:
        """Describes a JPEG. Raises provider.Failed."""
        encoded = base64.b64encode(picture).decode()
        try:
            found = self._client.chat.completions.create(
                model=settings.CAPTION_MODEL,
                max_completion_tokens=provider.MAX_OUTPUT_TOKENS,
                messages=[
                    {"role": "system", "content": provider.instructions(language)},
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "image_url",
                                "image_url": {
                                    "url": f"data:{provider.CONTENT_TYPE};base64,{encoded}"
                                },
                            },
                            {"type": "text", "text": provider.request(language)},
                        ],
                    },
                ],
            )
        except openai.APIStatusError as error:
            headers = error.response.headers
            raise provider.failure_of(error.status_code, headers, error.message) from error
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.DecodingError):
                raise provider.Garbled(str(error.__cause__)) from error
            raise provider.Unreachable(type(error.__cause__ or error).__name__) from error
        # Of bodies that are no JSON, or other JSON, each part of the library raises its own.
        except (*provider.MALFORMED, openai.OpenAIError) as error:
            raise provider.Garbled(type(error).__name__) from error
        except httpx2.HTTPError as error:
            raise provider.Unreachable(type(error).__name__) from error
        return _answer(found)


def _answer(found: object) -> provider.Answer:
    """Reads the answer without trusting its types: the library does not check them."""
    choices = getattr(found, "choices", None)
    first = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(first, "message", None)
    if message is None:
        raise provider.Garbled("no choice")
    if getattr(message, "refusal", None) or getattr(first, "finish_reason", "") == "content_filter":
        raise provider.Refused(str(getattr(message, "refusal", "") or "content_filter")[:300])
    text, usage = getattr(message, "content", None), getattr(found, "usage", None)
    if not isinstance(text, str):
        raise provider.Garbled("no text")
    return provider.Answer(
        text=text,
        model=str(getattr(found, "model", "") or settings.CAPTION_MODEL),
        input_tokens=_number(usage, "prompt_tokens"),
        output_tokens=_number(usage, "completion_tokens"),
    )


def _number(usage: object, name: str) -> int:
    found = getattr(usage, name, 0)
    return found if isinstance(found, int) and 0 <= found < 2**31 else 0
