"""Captions by Gemini, through Google's own library."""

from __future__ import annotations

import httpx2
from django.conf import settings
from google import genai
from google.genai import errors, types
from pydantic import ValidationError

from images.captions import bounded_http, provider

# Why an answer ended that is no answer to our question.
REFUSALS = {
    *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
}


class Gemini:
    def __init__(self) -> None:
        # The library reads them for three ways to ask, of which we use none: we bring a client.
        trusted = bounded_http.certificates()
        options = types.HttpOptions(
            base_url=settings.CAPTION_BASE_URL or None,
            timeout=settings.CAPTION_TIMEOUT_SECONDS * 1000,
            # The row says when it is tried again.
            retry_options=types.HttpRetryOptions(attempts=1),
            httpx_client=bounded_http.client(),
            client_args={"verify": trusted},
            async_client_args={"verify": trusted, "ssl": trusted},
        )
        self._client = genai.Client(
            api_key=settings.CAPTION_API_KEY, vertexai=False, http_options=options
        )

    def caption(self, picture: bytes, *, language: str) -> provider.Answer:
        """Describes a JPEG. Raises provider.Failed."""
        parts = [
            types.Part.from_bytes(data=picture, mime_type=provider.CONTENT_TYPE),
            types.Part.from_text(text=provider.request(language)),
        ]
        config = types.GenerateContentConfig(
            system_instruction=provider.instructions(language),
            max_output_tokens=provider.MAX_OUTPUT_TOKENS,
            # Nothing here is called by a model.
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        try:
            found = self._client.models.generate_content(
                model=settings.CAPTION_MODEL,
                contents=types.Content(role="user", parts=parts),
                config=config,
            )
        except errors.APIError as error:
            headers = getattr(error.response, "headers", None) or {}
            raise provider.failure_of(error.code or 500, headers, error.message) from error
        except httpx2.DecodingError as error:
            raise provider.Garbled(str(error)) from error
        except httpx2.HTTPError as error:
            raise provider.Unreachable(type(error).__name__) from error
        # Of bodies that are no JSON, or other JSON, each part of the library raises its own.
        except (*provider.MALFORMED, ValidationError) as error:
            raise provider.Garbled(type(error).__name__) from error
        return _answer(found)


def _answer(found: types.GenerateContentResponse) -> provider.Answer:
    if found.prompt_feedback is not None and found.prompt_feedback.block_reason is not None:
        raise provider.Refused(str(found.prompt_feedback.block_reason))
    candidate = found.candidates[0] if found.candidates else None
    if candidate is None:
        raise provider.Garbled("no candidate")
    reason = getattr(candidate.finish_reason, "name", "")
    if reason in REFUSALS:
        raise provider.Refused(reason)
    parts = (candidate.content.parts or []) if candidate.content is not None else []
    usage = found.usage_metadata
    return provider.Answer(
        text="".join(part.text for part in parts if part.text and not part.thought),
        model=found.model_version or settings.CAPTION_MODEL,
        input_tokens=(usage and usage.prompt_token_count) or 0,
        output_tokens=(usage and usage.candidates_token_count) or 0,
    )
