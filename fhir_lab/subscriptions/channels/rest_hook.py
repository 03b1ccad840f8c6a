"""The rest-hook channel: POST to the endpoint, empty or with the resource as body.

Without `channel.payload` the body is empty. With `application/fhir+json` it is the resource, the version that matched.
Every `channel.header` line goes along as it is. Any 2xx means delivered; redirects are not followed.
https://hl7.org/fhir/R4/subscription.html#2.46.7.1
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx

from fhir_lab.security import outbound
from fhir_lab.subscriptions import criteria


class DeliveryError(Exception):
    """The receiver did not accept the notification; the text says why, without content."""


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class RestHook:
    """One receiver, with connections that are kept while several notifications go to it."""

    def __init__(self, channel: Mapping[str, Any], allow: tuple[str, ...], client: httpx.Client) -> None:
        self._channel = channel
        self._allow = allow
        self._client = client

    @property
    def with_content(self) -> bool:
        """True when the receiver wants the resource as body."""
        return self._channel.get("payload") is not None

    def send(self, body: str | None) -> None:
        """Deliver one notification. Raises `DeliveryError`."""
        try:
            target = outbound.resolve(self._channel["endpoint"], self._allow)
            # Only the status matters, so the body of the answer is not read.
            with self._client.stream(
                "POST",
                target.url,
                content=(body or "").encode(),
                headers=self._headers(target.host),
                extensions={"sni_hostname": target.name},
            ) as response:
                status = response.status_code
        except outbound.RefusedError as refused:
            raise DeliveryError(str(refused)) from None
        except httpx.TimeoutException:
            raise DeliveryError("The receiver did not answer in time.") from None
        except Exception as problem:
            # Whatever goes wrong while sending is a failed attempt: it is counted, and does not stop the others.
            raise DeliveryError(f"The receiver could not be reached: {type(problem).__name__}.") from None
        if not 200 <= status < 300:
            raise DeliveryError(f"The receiver answered {status}; 2xx is needed.")

    def _headers(self, host: str) -> httpx.Headers:
        lines = [found for line in self._channel.get("header", []) if (found := criteria.header(line)) is not None]
        headers = [("Host", host), *lines]
        if self.with_content:
            headers.append(("Content-Type", self._channel["payload"]))
        return httpx.Headers(headers, encoding="utf-8")


@contextmanager
def connect(channel: Mapping[str, Any], allow: tuple[str, ...], timeout: float) -> Iterator[RestHook]:
    """The receiver that `Subscription.channel` describes; no phase of an attempt takes more than `timeout` seconds."""
    # Of the environment nothing is taken: a proxy would connect to another address than the one that was checked.
    with httpx.Client(verify=_tls(), timeout=timeout, trust_env=False, follow_redirects=False) as client:
        yield RestHook(channel, allow, client)
