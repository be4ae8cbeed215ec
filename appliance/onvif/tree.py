"""A camera's XML as a small tree, read so that what real cameras get wrong does no harm.

Expat runs without namespaces: prefixes that nobody declared, the wrong namespace around the right word and
``<env:Envelope>`` closed as ``</SOAP-ENV:Envelope>`` are all in use. Names are the local ones.
"""

import math
import re
from xml.sax.handler import ContentHandler

MOST_BYTES = 1_000_000
MOST_NODES = 20_000
DEEPEST = 64
MOST_PREFIXES = 500
LONGEST_TEXT = 4_000
# What XML files of cameras are written in. A name from outside is never looked up among all codecs:
# some are slow, some are no text. Not utf-16: where the name can be read as it is, it is not true.
ENCODINGS = {
    "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252", "gb2312", "gbk",
    "gb18030", "big5", "shift_jis", "euc-kr",
}  # fmt: skip
_DECLARATION = re.compile(r"<\?xml[^>]{0,200}>")
_ENCODING = re.compile(rb"""<\?xml[^>]{0,100}encoding\s*=\s*["']([A-Za-z0-9_\-]{1,20})["']""")
# Addresses with bare ampersands are in use, and so are comparisons in texts.
_BARE = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)|<(?=[\s\d=])")
_NO_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class NoTreeError(ValueError):
    """The bytes are no XML that anybody could read; the text says where it stops."""


class Node:
    """One element. ``name`` and ``attributes`` without prefixes, ``text`` is what stands directly in it.
    ``namespace``: what its prefix stands for; empty where that is declared nowhere."""

    __slots__ = ("attributes", "children", "name", "namespace", "text")

    def __init__(self, name: str, attributes: dict[str, str] | None = None, namespace: str = "") -> None:
        self.name = name
        self.namespace = namespace
        self.attributes = attributes or {}
        self.children: list[Node] = []
        self.text = ""

    def every(self, path: str) -> "list[Node]":
        """All nodes at ``A/B/C`` below this one, in order."""
        found = [self]
        for name in path.split("/"):
            found = [child for node in found for child in node.children if child.name == name]
        return found

    def at(self, path: str) -> "Node | None":
        return next(iter(self.every(path)), None)

    def anywhere(self, name: str) -> "list[Node]":
        """All nodes of that name at any depth, in the document's order."""
        found, ahead = [], [self]
        while ahead:
            node = ahead.pop()
            if node.name == name:
                found.append(node)
            ahead.extend(reversed(node.children))
        return found

    def said(self, path: str, longest: int = 200) -> str:
        """The text there in one line, without control characters; empty where there is none."""
        node = self.at(path) if path else self
        return "" if node is None else plain(node.text, longest)

    def number(self, path: str) -> float | None:
        """A finite number of a size that means something (below 1e12), or None."""
        return number(self.said(path))

    def whole(self, path: str) -> int | None:
        value = self.number(path)
        return None if value is None else round(value)

    def flag(self, path: str) -> bool | None:
        return {"true": True, "1": True, "false": False, "0": False}.get(self.said(path).lower())


def number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e12 else None


def plain(text: str, longest: int = 200) -> str:
    """One line that a person can be shown."""
    kept = "".join(character if character.isprintable() else " " for character in text[: 4 * longest])
    return " ".join(kept.split())[:longest]


def read_tree(data: bytes) -> Node:
    """The root element. Raises ``NoTreeError``; never resolves a DTD or an entity.

    What follows a complete ``Body`` is not needed and may be broken.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.expatreader import DefusedExpatParser

    if len(data) > MOST_BYTES:
        raise NoTreeError(f"more than {MOST_BYTES} bytes")
    builder = _Builder()
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(builder)
    try:
        parser.feed(_text(data).encode())
        parser.close()
    except (DefusedXmlException, NoTreeError) as error:
        raise NoTreeError(plain(str(error))) from None
    except Exception as error:  # expat's errors come through SAX under several names; all mean the same here
        if not builder.is_complete:
            raise NoTreeError(plain(str(error)) or type(error).__name__) from None
    if builder.root is None:
        raise NoTreeError("nothing in it")
    return builder.root


def _text(data: bytes) -> str:
    declared = _ENCODING.search(data[:300])
    name = declared[1].decode().lower() if declared else "utf-8"
    if name not in ENCODINGS:
        name = "utf-8"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        name = "utf-16"
    text = data.decode(name, "replace")
    text = _NO_CHARACTERS.sub("", text.lstrip("\ufeff"))
    text = _DECLARATION.sub("", text, count=1)  # read above; curly quotes in it are in use
    found = text[max(0, text.find("<")) :]
    return _BARE.sub(lambda match: "&amp;" if match[0] == "&" else "&lt;", found)


class _Builder(ContentHandler):
    def __init__(self) -> None:
        super().__init__()
        self.root: Node | None = None
        self.is_complete = False
        self._open: list[Node] = []
        self._prefixes: list[dict[str, str]] = [{}]
        self._count = 0

    def startElement(self, name: str, attrs: object) -> None:  # SAX's own name
        self._count += 1
        if self._count > MOST_NODES or len(self._open) >= DEEPEST or len(self._prefixes[-1]) > MOST_PREFIXES:
            raise NoTreeError("more elements than any answer has")
        items = dict(attrs.items())  # type: ignore[attr-defined]  # SAX's attributes have no common base
        named = {key[6:]: value for key, value in items.items() if key.startswith("xmlns:") or key == "xmlns"}
        self._prefixes.append(self._prefixes[-1] | named if named else self._prefixes[-1])
        prefix, _, local = name.rpartition(":")
        node = Node(
            local,
            {key.rpartition(":")[2]: value for key, value in items.items() if not key.startswith("xmlns")},
            self._prefixes[-1].get(prefix, ""),
        )
        if self._open:
            self._open[-1].children.append(node)
        elif self.root is None:
            self.root = node
        self._open.append(node)

    def endElement(self, name: str) -> None:
        closed = self._open.pop()
        self._prefixes.pop()
        if closed.name == "Body" and len(self._open) == 1:
            self.is_complete = True

    def characters(self, content: str) -> None:
        node = self._open[-1]
        if len(node.text) < LONGEST_TEXT:
            node.text += content[:LONGEST_TEXT]


class Xml(str):
    """Text that is XML already."""

    __slots__ = ()


Content = str | bool | int | float | None


def xml(name: str, /, *content: Content, **attributes: Content) -> Xml:
    """An element with its prefix; a plain text is escaped, ``Xml`` is not, None is left out."""
    inside = "".join(_written(part) for part in content)
    named = "".join(f' {key}="{_written(value)}"' for key, value in attributes.items() if value is not None)
    return Xml(f"<{name}{named}>{inside}</{name}>" if inside else f"<{name}{named}/>")


def _written(value: Content) -> str:
    if value is None or isinstance(value, Xml):
        return value or ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    escaped = _NO_CHARACTERS.sub("", value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace('"', "&quot;")
