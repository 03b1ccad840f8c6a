"""Jobs that outlast a request: bulk export and import. The queue of record, and the NDJSON that they read and write."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from fhir_lab.storage.tables.base import Key, Micros, metadata

job = Table(
    "job",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(10), nullable=False),  # export | import
    Column("state", String(10), nullable=False),  # accepted | running | done | failed
    Column("subject", Text, nullable=False),  # with `client`: who started it, and nobody else sees it
    Column("client", Text, nullable=False),
    Column("caller", Text, nullable=False),  # JSON: whose rights it has
    Column("request", Text, nullable=False),  # the URL that started it
    Column("parameters", Text, nullable=False),  # JSON: what is asked
    Column("created", Micros, nullable=False),
    Column("due", Micros),  # when the sweeper sends it again, and a lease ends; empty once it has ended
    Column("worker", Text),  # who has it now
    Column("attempts", Integer, nullable=False, server_default="0"),  # since it last got on
    Column("mark_seq", BigInteger),  # the snapshot: every change up to this one
    Column("mark_at", Micros),  # its time
    Column("mark_pk", BigInteger),  # the highest resource.pk in it
    Column("position", Text),  # JSON: how far it is
    Column("progress", Text, nullable=False, server_default=""),  # for people
    Column("error", Text),  # JSON: the OperationOutcome of one that failed
    Column("ended", Micros),
    Column("expires", Micros),  # when it is removed with all it holds
    Index("ix_job_due", "due"),
    Index("ix_job_expires", "expires"),
    Index("ix_job_owner", "client", "state"),
)

# A file of NDJSON. `crc` and `size` are those of the text so far, so that a gzip stream can be ended at any time.
job_file = Table(
    "job_file",
    metadata,
    Column("job_id", String(36), ForeignKey("job.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),  # output | error | deleted | input
    Column("type", String(40), nullable=False),
    Column("url", Text),  # where an input came from
    Column("lines", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("crc", BigInteger, nullable=False),
    Column("parts", Integer, nullable=False),
)

# A stretch of whole lines as raw deflate blocks (RFC 1951) that end on a byte; those of a file make one stream.
job_part = Table(
    "job_part",
    metadata,
    Column("job_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# The patients whose compartments an export of a Group, or of some patients, is limited to.
job_patient = Table(
    "job_patient",
    metadata,
    Column("job_id", String(36), primary_key=True),
    Column("pk", Key, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False),
)

# What exported resources refer to, or what tells of them: exported as well, once.
job_reference = Table(
    "job_reference",
    metadata,
    Column("job_id", String(36), primary_key=True),
    Column("type", String(40), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("written", Boolean, nullable=False),
    Index("ix_job_reference_written", "job_id", "written", "type", "id"),
)
