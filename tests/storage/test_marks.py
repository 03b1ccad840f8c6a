"""Marks: what could be seen at a moment, whatever was being written, in whatever order it is committed."""

from contextlib import ExitStack

from sqlalchemy import Connection, select, text, update

from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage import marks
from fhir_lab.storage.history import history
from fhir_lab.storage.marks import Mark
from fhir_lab.storage.tables import change
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit

Found = tuple[set[str], set[str]]


def put(services: Services, connection: Connection, name: str) -> None:
    document = {"resourceType": "Patient", "id": name}
    apply(Unit(connection, system("test"), services), [Entry("PUT", "Patient", id=name, resource=document)])


def write(services: Services, *names: str) -> None:
    for name in names:
        with services.database.write() as connection:
            put(services, connection, name)


def parted(services: Services, mark: Mark) -> Found:
    """The ids that could be seen at the mark, and those that were written since."""
    with services.database.read() as connection:
        seen = connection.execute(select(change.c.id).where(marks.by_then(mark))).scalars()
        since = connection.execute(select(change.c.id).where(marks.since(mark))).scalars()
        return set(seen), set(since)


def now(services: Services) -> Mark:
    with services.database.read() as connection:
        return marks.now(connection)


def test_a_mark_parts_what_was_written_before_from_what_is_written_after(services: Services) -> None:
    assert (now(services).seq, now(services).pk) == (0, 0)
    write(services, "a", "b")
    mark = now(services)
    write(services, "c", "d")
    assert parted(services, mark) == ({"a", "b"}, {"c", "d"})
    assert parted(services, Mark(0, 0)) == (set(), {"a", "b", "c", "d"})


def test_what_was_being_written_at_the_mark_counts_as_later(postgres_services: Services) -> None:
    services = postgres_services
    write(services, "a")
    with ExitStack() as stack:
        # Two writers number their changes first; one that numbers later commits before them.
        early, earlier = (stack.enter_context(services.database.write()) for _ in range(2))
        put(services, early, "early")
        put(services, earlier, "earlier")
        write(services, "b")
        mark = now(services)
        assert len(mark.running) >= 2  # those of other databases of the server are listed too
        write(services, "c")
    assert parted(services, mark) == ({"a", "b"}, {"early", "earlier", "c"})


def test_a_writer_that_began_after_all_that_ended_counts_as_later(postgres_services: Services) -> None:
    """PostgreSQL lists as running only what began before the last transaction that ended."""
    services = postgres_services
    with services.database.write() as first, services.database.write() as second:
        put(services, first, "first")
        first_number = first.execute(select(change.c.tx)).scalar_one()
        second.execute(text("SELECT pg_current_xact_id()"))
        put(services, second, "second")
        second_number = second.execute(select(change.c.tx)).scalar_one()
        mark = now(services)
        assert {first_number, second_number} <= set(mark.running)
    assert parted(services, mark) == (set(), {"first", "second"})


def test_rows_of_another_server_are_not_taken_for_those_of_a_running_transaction(postgres_services: Services) -> None:
    services = postgres_services
    write(services, "restored")
    with services.database.write() as connection:  # as a restored dump has it: a number that is not yet reached here
        own = connection.execute(text("SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)")).scalar_one()
        connection.execute(update(change).values(tx=own + 1000))
    top = now(services)
    assert parted(services, Mark(top.seq, top.pk, (own + 1000,))) == ({"restored"}, set())


def test_pages_of_history_leave_out_what_was_committed_after_the_first(services: Services) -> None:
    names = [f"p{n}" for n in range(6)]
    write(services, *names)
    with ExitStack() as stack:
        if services.database.dialect == "postgresql":  # its time and number are before those of the first page
            running = stack.enter_context(services.database.write())
            put(services, running, "running")
            write(services, "p6")
            names.append("p6")
        unit = Unit(stack.enter_context(services.database.read()), system("test"), services)
        pages = [history(unit, "Patient", None, count=2)]
    while pages[-1].next:
        write(services, f"new{len(pages)}")
        with services.database.read() as connection:
            unit = Unit(connection, system("test"), services)
            pages.append(history(unit, "Patient", None, count=2, cursor=pages[-1].next))
    assert [version.id for page in pages for version in page.versions] == names[::-1]
    assert {page.total for page in pages} == {len(names)}
