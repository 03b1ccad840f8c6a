"""Ranges that are all equally long: the condition on where they begin says the same as the one on both ends."""

import pytest
from sqlalchemy import BigInteger, create_engine, literal, select

from fhir_lab.search.kinds.date import PREFIXES, DateValue, compile_instants, match

LENGTH = 10


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_finds_the_same_instants_as_in_memory(prefix: str) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for width in (1, 9, 10, 11, 40):
            value = DateValue(prefix, 100, 100 + width)
            for low in range(80, 160):
                found = select(compile_instants(value, literal(low, BigInteger), LENGTH))
                assert bool(connection.execute(found).scalar_one()) is match(value, (low, low + LENGTH)), (width, low)
    engine.dispose()
