"""When an answer is compressed."""

import gzip

import pytest

from fhir_lab.http.compress import MINIMUM, accepts_gzip, compressed
from fhir_lab.http.render import rendered
from fhir_lab.interactions.message import Response


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("identity", False),
        ("br, deflate", False),
    ],
)
def test_gzip_is_used_where_the_client_lets_it_through(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


def test_only_bodies_of_a_kilobyte_are_worth_it() -> None:
    for size, encoding in ((MINIMUM - 1, None), (MINIMUM, b"gzip")):
        _, headers, body = rendered(Response(200, b"x" * size), encodings="gzip")
        found = dict(headers)
        assert found.get(b"content-encoding") == encoding
        assert found[b"content-length"] == str(len(body)).encode()


def test_what_is_compressed_can_be_read_again() -> None:
    assert gzip.decompress(compressed(b"{}" * 1000)) == b"{}" * 1000
