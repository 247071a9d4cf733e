"""A provider of captions on loopback: speaks Gemini's generateContent and OpenAI's chat
completions, and breaks on request."""

from __future__ import annotations

import base64
import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY, MODEL = "a-key-of-the-tests", "vision-of-the-tests"
DATA_URI = re.compile(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)")


@dataclass
class Asked:
    """What a request asked, as the wire format says it."""

    picture: bytes
    system: str
    text: str
    body: dict
    path: str


@dataclass
class Reply:
    """What the server answers. `body` replaces the JSON of the protocol."""

    text: str = "Two people dance in front of a stage."
    status: int = 200
    body: bytes | None = None
    headers: dict = field(default_factory=dict)
    refuses: str = ""  # by the safety rules: of the "prompt", or of the "answer"
    cut_after: int | None = None  # bytes, and then the connection closes
    silent: bool = False  # until the client has gone, or the server stops
    drips: bool = False  # a byte now and then, for ever


class CaptionServer:
    """`replies` are given in order, the last for ever; `asked` is what was asked."""

    def __init__(self):
        self.asked: list[Asked] = []
        self.replies = [Reply()]
        self.stopped = threading.Event()
        self.before_reply = lambda: None
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self):
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def reply(self, *replies: Reply):
        self.replies = list(replies)

    def says(self, text: str):
        self.reply(Reply(text=text))


class _Handler(BaseHTTPRequestHandler):
    owner: CaptionServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_gemini = re.fullmatch(rf"/v1(beta)?/models/{MODEL}:generateContent", self.path)
        if is_gemini:
            known = self.headers["x-goog-api-key"] == KEY
        else:
            assert self.path == "/v1/chat/completions", self.path
            known = self.headers["Authorization"] == f"Bearer {KEY}"
        if not known:
            self._send(401, json.dumps({"error": {"code": 401, "message": "No."}}).encode(), {})
            return
        self.owner.asked.append(_gemini(body, self.path) if is_gemini else _openai(body, self.path))
        self.owner.before_reply()
        replies = self.owner.replies
        self._answer(replies.pop(0) if len(replies) > 1 else replies[0], gemini=bool(is_gemini))

    def _answer(self, reply: Reply, *, gemini: bool):
        if reply.silent:
            self.owner.stopped.wait(20)
            return
        body = reply.body
        if body is None and reply.status == 200:
            body = json.dumps(_gemini_answer(reply) if gemini else _openai_answer(reply)).encode()
        elif body is None:
            body = json.dumps({"error": {"code": reply.status, "message": "Not now."}}).encode()
        self._send(reply.status, body, reply.headers, reply)

    def _send(self, status, body, headers, reply=None):
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            if reply is not None and reply.drips:
                while not self.owner.stopped.wait(0.2):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            elif reply is not None and reply.cut_after is not None:
                self.wfile.write(body[: reply.cut_after])
                self.close_connection = True
            else:
                self.wfile.write(body)


def _gemini(body, path) -> Asked:
    (content,) = body["contents"]
    assert content["role"] == "user"
    picture, text = content["parts"]
    inline = picture["inlineData"]
    # Protobuf's JSON takes both spellings, and the library sends the second.
    assert inline.get("mimeType", inline.get("mime_type")) == "image/jpeg"
    data = inline["data"].replace("-", "+").replace("_", "/")
    (system,) = body["systemInstruction"]["parts"]
    return Asked(base64.b64decode(data), system["text"], text["text"], body, path)


def _openai(body, path) -> Asked:
    system, user = body["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert body["model"] == MODEL
    picture, text = user["content"]
    found = DATA_URI.fullmatch(picture["image_url"]["url"])
    assert found and (picture["type"], text["type"]) == ("image_url", "text")
    return Asked(base64.b64decode(found[1]), system["content"], text["text"], body, path)


def _gemini_answer(reply: Reply) -> dict:
    usage = {"promptTokenCount": 300, "candidatesTokenCount": 20, "totalTokenCount": 320}
    if reply.refuses == "prompt":
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage}
    if reply.refuses:
        return {"candidates": [{"finishReason": "SAFETY", "index": 0}], "usageMetadata": usage}
    content = {"role": "model", "parts": [{"text": reply.text}]}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": usage,
        "modelVersion": f"{MODEL}-001",
    }


def _openai_answer(reply: Reply) -> dict:
    message = {"role": "assistant", "content": reply.text, "refusal": None}
    finish = "stop"
    if reply.refuses == "prompt":
        message, finish = {"role": "assistant", "content": None, "refusal": "I cannot."}, "stop"
    elif reply.refuses:
        message, finish = {"role": "assistant", "content": "", "refusal": None}, "content_filter"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": f"{MODEL}-001",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320},
    }
