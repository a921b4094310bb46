"""An EPUB as a reader's device opens it, and what is structurally wrong with it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from posixpath import dirname, join, normpath
from urllib.parse import unquote
from xml.etree import ElementTree

CONTAINER = "META-INF/container.xml"
PACKAGE = "{http://www.idpf.org/2007/opf}"
XHTML = "{http://www.w3.org/1999/xhtml}"
MATHEMATICS = "{http://www.w3.org/1998/Math/MathML}math"


@dataclass
class Epub:
    """Its files by name, and its pages by name in reading order."""

    files: dict[str, bytes]
    pages: dict[str, ElementTree.Element]
    metadata: dict[str, str]
    faults: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its words, formulas and all."""
        return " ".join(" ".join("".join(page.itertext()).split()) for page in self.pages.values())


def read(content: bytes) -> Epub:
    """Raises what a parser raises of a file that is no XML."""
    faults: list[str] = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        first = archive.infolist()[0]
        if (first.filename, first.compress_type) != ("mimetype", zipfile.ZIP_STORED):
            faults.append("the first file is not an uncompressed `mimetype`")
        files = {name: archive.read(name) for name in archive.namelist()}
    if files["mimetype"] != b"application/epub+zip":
        faults.append(f"mimetype says {files['mimetype']!r}")
    (root,) = (element.attrib["full-path"] for element in ElementTree.fromstring(files[CONTAINER]).iter()
               if element.tag.endswith("rootfile"))  # fmt: skip
    package = ElementTree.fromstring(files[root])
    items = {item.attrib["id"]: item for item in package.iter(f"{PACKAGE}item")}
    places = {key: join(dirname(root), unquote(item.attrib["href"])) for key, item in items.items()}
    contained = {name for name in files if name not in ("mimetype", root) and not name.startswith("META-INF/")}
    faults += [f"{name} is listed and not there" for name in sorted({*places.values()} - contained)]
    faults += [f"{name} is there and not listed" for name in sorted(contained - {*places.values()})]
    order = [item.attrib["idref"] for item in package.iter(f"{PACKAGE}itemref")]
    faults += [f"the spine names {key}, which is not listed" for key in order if key not in items]
    if sum("nav" in item.get("properties", "").split() for item in items.values()) != 1:
        faults.append("not one table of contents")
    pages = {places[key]: ElementTree.fromstring(files[places[key]]) for key in order if key in items}
    for key, item in items.items():
        if item.attrib["media-type"] == "application/xhtml+xml":
            page = ElementTree.fromstring(files[places[key]])
            pages.setdefault(places[key], page)
            has_formulas = next(page.iter(MATHEMATICS), None) is not None
            if has_formulas != ("mathml" in item.get("properties", "").split()):
                faults.append(f"{places[key]}: formulas, and not said in the list of files; or the other way round")
        elif item.attrib["media-type"] == "image/svg+xml":
            ElementTree.fromstring(files[places[key]])
    identifiers = {name: [e.attrib["id"] for e in page.iter() if "id" in e.attrib] for name, page in pages.items()}
    faults += [f"{name}: an identifier twice" for name, found in identifiers.items() if len({*found}) < len(found)]
    for name, page in pages.items():
        for element in page.iter():
            for key, value in element.attrib.items():
                if key.rpartition("}")[2] in ("href", "src") and "://" not in value:
                    path, _, fragment = value.partition("#")
                    target = normpath(join(dirname(name), unquote(path))) if path else name
                    if target not in files or (fragment and unquote(fragment) not in identifiers.get(target, [])):
                        faults.append(f"{name}: {value} leads nowhere")
            if element.tag == f"{XHTML}img" and not element.get("alt"):
                faults.append(f"{name}: {element.get('src')} is not described")
    metadata = {element.tag.rpartition("}")[2]: element.text or "" for element in package.iter() if element.text}
    return Epub(files, pages, metadata, faults)
