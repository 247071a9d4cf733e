"""Reading JSON and forms that strangers send, within bounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.core.exceptions import (
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from rest_framework import parsers, renderers, status
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError

from bandpics.api import problems
from bandpics.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

MIB = 1024 * 1024
MAX_VALUES = 10_000  # an announcement of 100 files has 1,200
MAX_DEPTH = 16
MAX_TEXT = 16_384  # characters; the longest field of ours takes 4,096

MAX_DIGITS = 1_000


class BodyTooLarge(Problem):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    slug = "body-too-large"
    title = "The body is too large"
    explanation = (
        "The body is larger than this address takes; `limit` says how many bytes it may have. "
        "Photos are announced at `/api/v1/uploads/` and sent straight to storage."
    )


class JsonParser(parsers.BaseParser):
    """Parses JSON as DRF's own parser does, which bounds neither depth nor the number of values.

    Values are counted before any of them is made; a list of a million costs milliseconds. It is no
    subclass of DRF's, because `Request._parse()` gives that one no body beyond
    DATA_UPLOAD_MAX_MEMORY_SIZE (2.5 MB), and a photo in base64 is larger.
    """

    media_type = "application/json"
    renderer_class = renderers.JSONRenderer
    max_bytes: ClassVar[int] = 2 * MIB
    long_texts: ClassVar[frozenset[str]] = frozenset()  # fields whose length the view bounds

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        # Django reads no further than this header says.
        context = parser_context or {}
        size = context["request"].META.get("CONTENT_LENGTH") or 0
        if int(size) > self.max_bytes:
            raise BodyTooLarge(f"This address takes JSON of up to {self.max_bytes} bytes.")
        raw = stream.read()
        if _has_more_values(raw, than=MAX_VALUES):
            raise ParseError(f"JSON parse error - more than {MAX_VALUES} values")
        try:
            data = json.loads(
                raw.decode(context.get("encoding", "utf-8")),
                parse_constant=_refuse_constant,
                parse_float=_float,
                parse_int=_int,
            )
        except (ValueError, LookupError) as error:
            raise ParseError(f"JSON parse error - {error}") from None
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        _refuse_deep_and_long(data, self.long_texts)
        return data


class FormParser(parsers.MultiPartParser):
    """DRF's own; the texts of a form may be no longer than those of JSON.

    Django raises what is answered by `_fields_too_large`, `_too_many_fields` and `_too_many_files`.
    """

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        parsed: Any = super().parse(*args, **kwargs)
        _refuse_deep_and_long(dict(parsed.data.lists()), frozenset())
        return parsed


def _fields_too_large(_error: RequestDataTooBig) -> BodyTooLarge:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return BodyTooLarge(
        f"The fields of a form may have up to {limit} bytes together. Send a photo as a file.",
        limit=limit,
    )


def _too_many_fields(_error: TooManyFieldsSent) -> ParseError:
    most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    return ParseError(f"A form may have up to {most} fields. Send fewer at once.")


def _too_many_files(_error: TooManyFilesSent) -> ParseError:
    most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
    return ParseError(f"A form may have up to {most} files. Send the others after it.")


problems.answer(
    {
        RequestDataTooBig: _fields_too_large,
        TooManyFieldsSent: _too_many_fields,
        TooManyFilesSent: _too_many_files,
    }
)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Out of range float values are not JSON compliant: {name}")


def _float(text: str) -> float:
    return float(_short(text))


def _int(text: str) -> int:
    return int(_short(text))


def _short(text: str) -> str:
    if len(text) > MAX_DIGITS:  # Python refuses whole numbers of 4,300, in its own words
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    return text


def _has_more_values(raw: bytes, *, than: int) -> bool:
    """Whether JSON holds more values than this. Its strings may hold any number of commas."""
    if _separators(raw) <= than:
        return False
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 4 * than:  # two for each key and each text
        return True
    return _separators(b"".join(unescaped.split(b'"')[::2])) > than


def _separators(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _refuse_deep_and_long(data: Any, long_texts: frozenset[str]) -> None:
    """Raises ParseError for depth, and a ValidationError that points to a text too long."""
    level: list[tuple[tuple[str, ...], Any]] = [((), data)]
    for _ in range(MAX_DEPTH):
        for path, value in level:
            is_long = isinstance(value, str) and len(value) > MAX_TEXT
            if is_long and not (len(path) == 1 and path[0] in long_texts):
                raise _too_long(path)
        level = [child for path, value in level for child in _children(path, value)]
    if level:
        raise ParseError("JSON parse error - nested too deeply")


def _too_long(path: tuple[str, ...]) -> ValidationError:
    why = f"Ensure this field has no more than {MAX_TEXT} characters."
    detail: Any = [ErrorDetail(why, code="max_length")]
    for name in reversed(path):
        detail = {name: detail}
    return ValidationError(detail)


def _children(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        yield from (((*path, name), inner) for name, inner in value.items())
    elif isinstance(value, list):
        yield from (((*path, str(index)), inner) for index, inner in enumerate(value))
