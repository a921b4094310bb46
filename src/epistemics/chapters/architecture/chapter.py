"""The rooms of the code and what they import, read from the source as it is."""

from __future__ import annotations

from epistemics.analysis.package import needed, rooms
from epistemics.analysis.provenance_line import published, source_page, traced
from epistemics.analysis.tables import Shown, Table, table_of
from epistemics.chapters.architecture.costs import changes
from epistemics.chapters.contents import Share
from epistemics.declared.project import Project


def arrows() -> Table:
    """One row for each import of a room by another that does not follow from two others."""
    found = needed({room.name: room.imports for room in rooms()})
    return table_of([{"from": room, "to": one} for room, own in found.items() for one in own], ("from", "to"))


def described() -> Table:
    """One row for each room, the highest first: its module, what its docstring begins with, and all that it imports."""
    depth = depths(arrows())
    return table_of(
        [
            {
                "room": room.name,
                "module": room.name if room.is_beside else f"epistemics.{room.name}",
                "is": room.says,
                "imports": ", ".join(room.imports),
            }
            for room in sorted(rooms(), key=lambda room: (depth[room.name], room.name))
        ]
    )


@traced
def shown_rooms(table: Table) -> Shown:
    """The rooms for reading."""
    rows = [[_linked(r["room"], r["module"]), r["is"], r["imports"] or "–"] for r in table.records()]
    return Shown(["Room", "What it is", "Imports"], rows, left=3)


def _linked(room: str, module: str) -> str:
    """A room's name, which leads to its page if it is one of the package's."""
    return f"`{room}`" if room == module else f"[`{room}`](../{source_page(module).as_posix()})"


def depths(table: Table) -> dict[str, int]:
    """Room → how many arrows lead down to it at most: 0 for what nothing imports."""
    above: dict[str, list[str]] = {}
    for record in table.records():
        above.setdefault(record["from"], [])
        above.setdefault(record["to"], []).append(record["from"])

    def depth(room: str) -> int:
        return 1 + max((depth(one) for one in above[room]), default=-1)

    return {room: depth(room) for room in above}


def tables() -> dict[str, Table]:
    """What the chapter draws and prints, by name."""
    return published(__name__, {"arrows": arrows(), "rooms": described(), "changes": changes()})


def share(_: Project) -> Share:
    """What the chapter gives to its prose and to readers; see ``contents``."""
    return {}, tables()
