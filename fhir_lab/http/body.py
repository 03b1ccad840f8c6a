"""Reads a request body while counting its bytes, so that one over the limit is refused before it fills the memory."""

from starlette.types import Receive

from fhir_lab.outcomes import BadRequest, TooLarge


async def read_body(receive: Receive, limit: int, content_length: str) -> bytes:
    """The whole body, at most `limit` bytes; `content_length` is the header's value or empty.

    Raises `TooLarge`, and `BadRequest` when the client goes away in the middle.
    """
    if content_length.isascii() and content_length.isdigit() and int(content_length) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest.of("The connection closed before the whole body had arrived.", code="incomplete")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge.of(
        f"The body is larger than {limit} bytes; split it, or raise FHIR_LAB_MAX_BODY_BYTES.",
        "http.body",
        headers={"Connection": "close"},
    )
