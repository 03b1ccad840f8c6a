"""ETags and dates of conditional reads."""

import pytest

from fhir_lab.http.preconditions import etag, http_date, unchanged

WRITTEN = 1_795_177_854_854_000  # 2026-11-20T12:30:54.854Z


@pytest.mark.parametrize("tag", ['W/"3"', '"3"', "3", 'W/"1", W/"3"', "*"])
def test_a_tag_of_the_current_version_in_any_spelling_means_unchanged(tag: str) -> None:
    assert unchanged({"if-none-match": tag}, 3, WRITTEN)


@pytest.mark.parametrize("tag", ['W/"2"', '"33"', "", "nonsense"])
def test_another_tag_means_changed_whatever_the_date_says(tag: str) -> None:
    assert not unchanged({"if-none-match": tag, "if-modified-since": http_date(WRITTEN)}, 3, WRITTEN)


def test_the_date_that_the_server_gave_means_unchanged() -> None:
    assert http_date(WRITTEN) == "Fri, 20 Nov 2026 12:30:54 GMT"
    assert unchanged({"if-modified-since": http_date(WRITTEN)}, 3, WRITTEN)


@pytest.mark.parametrize("since", ["Fri, 20 Nov 2026 12:30:53 GMT", "yesterday", ""])
def test_an_earlier_or_unreadable_date_means_changed(since: str) -> None:
    assert not unchanged({"if-modified-since": since}, 3, WRITTEN)


def test_etags_are_weak() -> None:
    assert etag(7) == 'W/"7"'
