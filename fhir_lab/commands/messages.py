"""`messages`: look into the journal of received messages, and process one again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_lab.commands.common import in_columns, need_schema, services

if TYPE_CHECKING:
    from collections.abc import Mapping

Id = Annotated[str, typer.Argument(help="The message's id, as `fhir-lab messages list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Limit = Annotated[int, typer.Option(help="How many, newest first.", min=1)]
State = Annotated[str | None, typer.Option(help="Only received, processed, quarantined, failed or duplicate ones.")]


def register(app: typer.Typer) -> None:
    """Add the group; without a subcommand it lists."""
    group = typer.Typer(invoke_without_command=True, help="The journal of received messages.")
    app.add_typer(group, name="messages")
    group.callback()(by_default)
    group.command("list")(list_messages)
    group.command("show")(show)
    group.command("replay")(replay)


def by_default(
    context: typer.Context, limit: Limit = 50, state: State = None, file: str | None = None, as_json: AsJson = False
) -> None:
    """The journal of received messages; without a command they are listed, newest first."""
    if context.invoked_subcommand is None:
        list_messages(limit, state, file, as_json)


def list_messages(
    limit: Limit = 50,
    state: State = None,
    file: Annotated[str | None, typer.Option(help="Only those of this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """List messages, newest first."""
    from fhir_lab.commands.common import fail
    from fhir_lab.storage import journal

    if state is not None and state not in journal.STATES:
        fail(f"'{state}' is not a state; states are {', '.join(journal.STATES)}.", 2)
    with services() as found:
        need_schema(found)
        with found.database.read() as connection:
            entries = journal.entries(connection, journal.Filter(state=state, file=file), limit=limit)
    if as_json:
        _print_json(entries)
    else:
        print(_table(entries))


def show(
    message_id: Id,
    as_json: AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the received bytes instead.")] = False,
) -> None:
    """Show what became of a message: OBX in = stored + quarantined, each reason, each resource."""
    from fhir_lab.storage import journal

    with services() as found:
        need_schema(found)
        with found.database.read() as connection:
            entry = journal.entry(connection, message_id)
            received = journal.raw(connection, message_id) if raw else b""
    if raw:
        typer.echo(received, nl=False)
    elif as_json:
        _print_json(entry)
    else:
        print("\n".join(_lines(entry)))


def replay(message_id: Id) -> None:
    """Process a message again from the bytes received; a running worker takes it within seconds."""
    from fhir_lab.storage import journal

    with services() as found:
        need_schema(found)
        now = found.clock.now()
        found.database.transact(lambda connection: journal.replay(connection, message_id, now=now, due=now))
    print(f"{message_id} waits for a worker. See: fhir-lab messages show {message_id}")


def _table(entries: "list[dict[str, Any]]") -> str:
    head = ("id", "received", "state", "OBX in", "stored", "quarantined", "file", "sender")
    names = ("id", "received", "state", "obx_in", "obx_stored", "obx_quarantined", "file", "sender")
    return in_columns(head, ([entry[name] for name in names] for entry in entries))


def _lines(entry: "Mapping[str, Any]") -> list[str]:
    """A journal entry in plain sentences."""
    lines = [f"message       {entry['id']}"]
    lines += [
        f"{title:13} {entry[name]}"
        for title, name in (
            ("file", "file"),
            ("received", "received"),
            ("sender", "sender"),
            ("control id", "control_id"),
            ("type", "message_type"),
            ("state", "state"),
            ("attempts", "attempts"),
            ("duplicate of", "duplicate_of"),
        )
        if entry[name] is not None
    ]
    counts = f"{entry['obx_in']} in = {entry['obx_stored']} stored + {entry['obx_quarantined']} quarantined"
    lines.append(f"OBX           {counts}")
    lines += _section("reasons", [_reason(reason) for reason in entry["reasons"]])
    lines += _section("warnings", entry["warnings"])
    lines += _section("kept, not mapped", entry["unmapped"])
    lines += _section("resources", [f"{found['reference']} version {found['version']}" for found in entry["resources"]])
    return lines


def _section(title: str, items: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {item}" for item in items)] if items else []


def _reason(reason: "Mapping[str, Any]") -> str:
    place = reason.get("field") or reason.get("segment") or "message"
    if reason.get("field") and reason.get("segment"):
        place = f"{reason['segment']} {reason['field']}"
    parts = [f"{place}: found {reason.get('found')!r}"]
    parts += [
        f"{word} {reason[name]}" for word, name in (("allowed:", "allowed"), ("repair:", "repair")) if reason.get(name)
    ]
    return "; ".join(parts)


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))
