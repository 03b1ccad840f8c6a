"""What the logs of the processes must never hold."""

import io
import logging

from fhir_lab import logs


def test_the_access_line_of_the_server_which_quotes_queries_is_never_written() -> None:
    stream = io.StringIO()
    names = ("uvicorn", "uvicorn.error", "uvicorn.access")
    kept = (
        logging.getLogger().handlers[:],
        logging.getLogger().level,
        {n: logging.getLogger(n).propagate for n in names},
    )
    try:
        logs.configure("INFO", "api", stream)
        access = logging.getLogger("uvicorn.access")
        assert not access.hasHandlers()
        access.info('"GET /fhir/R4/Patient?family=Lindqvist HTTP/1.1" 200')
        assert stream.getvalue() == ""
    finally:
        logging.getLogger().handlers[:], level, propagated = kept
        logging.getLogger().setLevel(level)
        for name, propagate in propagated.items():
            logging.getLogger(name).propagate = propagate
