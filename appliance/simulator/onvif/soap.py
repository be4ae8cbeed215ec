"""SOAP 1.2 as cameras write it: a tree in the specification's own prefixes, written in a maker's."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "tt": "http://www.onvif.org/ver10/schema",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "tmd": "http://www.onvif.org/ver10/deviceIO/wsdl",
    "ter": "http://www.onvif.org/ver10/error",
    "tns1": "http://www.onvif.org/ver10/topics",
    "tnsaxis": "http://www.axis.com/2009/event/topics",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wstop": "http://docs.oasis-open.org/wsn/t-1",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "wsa04": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
    "dn": "http://www.onvif.org/ver10/network/wsdl",
    "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
    "xs": "http://www.w3.org/2001/XMLSchema",
}
# prefixes inside texts and attribute values (topics, types, fault codes): the same with every maker
_IN_TEXT = ("tt", "tds", "dn", "ter", "tns1", "tnsaxis", "xs")
MOST_REQUEST_BYTES = 65_536


class Node(NamedTuple):
    """``name`` is ``prefix:Local`` in the prefixes of ``NAMESPACES``; attributes may be too."""

    name: str
    content: "str | tuple[Node, ...]" = ()
    attributes: Mapping[str, str] = {}


class Style(NamedTuple):
    """How a maker writes. ``prefixes`` renames ("" makes a default namespace); ``at_root`` declares
    all namespaces on the envelope, otherwise each where it is first needed; ``indent`` in spaces,
    None for one line."""

    prefixes: Mapping[str, str] = {}
    at_root: bool = True
    indent: int | None = None


class Request(NamedTuple):
    """``service`` is the prefix of ``NAMESPACES``, ``name`` the operation, ``body`` its element."""

    service: str
    name: str
    body: Element
    header: Element | None


class BadSoap(Exception):
    """These bytes are no request."""


def node(
    name: str,
    *content: "Node | str | int | float | bool | None",
    handle: str | None = None,
    **attributes: Any,
) -> Node:
    """Children, or one text. None is left out; numbers and truths are written as XML Schema does.
    ``handle`` is what ONVIF calls a token."""
    given = {} if handle is None else {"token": handle}
    given |= {key: _text(value) for key, value in attributes.items() if value is not None}
    parts = [part for part in content if part is not None]
    if len(parts) == 1 and not isinstance(parts[0], Node):
        return Node(name, _text(parts[0]), given)
    return Node(name, tuple(part for part in parts if isinstance(part, Node)), given)


def envelope(body: Node, *header: Node) -> Node:
    parts = (Node("s:Header", header),) if header else ()
    return Node("s:Envelope", (*parts, Node("s:Body", (body,))))


def fault(code: str, subcode: str, reason: str) -> Node:
    """A SOAP 1.2 fault (SOAP part 1, section 5.4); ``code`` is Sender or Receiver."""
    inner = node("s:Subcode", node("s:Value", subcode))
    return node(
        "s:Fault",
        node("s:Code", node("s:Value", f"s:{code}"), inner),
        Node("s:Reason", (Node("s:Text", reason, {"xml:lang": "en"}),)),
    )


def write(root: Node, style: Style) -> bytes:
    """The bytes of a document whose root is ``root``."""
    text = _element(root, style, {}, 0)
    return f'<?xml version="1.0" encoding="UTF-8"?>{_line(style, 0)}{text}'.encode()


def read(data: bytes) -> Request:
    """The request in an envelope. Raises ``BadSoap``; external entities and bombs are refused."""
    try:
        root: Element = fromstring(data[:MOST_REQUEST_BYTES])
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise BadSoap(type(error).__name__) from None
    body = root.find(f"{{{NAMESPACES['s']}}}Body")
    if body is None or len(body) == 0:
        raise BadSoap("an envelope without a body")
    uri, _, name = body[0].tag.lstrip("{").rpartition("}")
    service = next((prefix for prefix, known in NAMESPACES.items() if known == uri), "")
    return Request(service, name, body[0], root.find(f"{{{NAMESPACES['s']}}}Header"))


def tag(name: str) -> str:
    """``tt:Encoding`` as ElementTree writes it."""
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def text(element: Element | None, path: str, default: str = "") -> str:
    """The text at ``path`` (``tt:Resolution/tt:Width``) below ``element``, without blanks."""
    found = element.find("/".join(tag(part) for part in path.split("/"))) if element is not None else None
    return (found.text or "").strip() if found is not None else default


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _line(style: Style, depth: int) -> str:
    return "" if style.indent is None else "\n" + " " * (style.indent * depth)


def _element(part: Node, style: Style, bound: dict[str, str], depth: int) -> str:
    prefix, _, local = part.name.partition(":")
    declared = dict(bound)
    if depth == 0:
        known = NAMESPACES if style.at_root else {name: NAMESPACES[name] for name in _IN_TEXT}
        for name, uri in known.items():
            # a default namespace is for where it is needed: at the root it would swallow the others
            declared.setdefault(style.prefixes.get(name, name) or name, uri)
    name = _bind(prefix, local, style, declared)
    attributes = "".join(
        f" {_attribute(key, style, declared)}={quoteattr(value)}" for key, value in part.attributes.items()
    )
    spaces = "".join(
        f" xmlns{':' if short else ''}{short}={quoteattr(uri)}"
        for short, uri in declared.items()
        if bound.get(short) != uri
    )
    if isinstance(part.content, str):
        inner = escape(_renamed(part, style))
    else:
        inner = "".join(
            _line(style, depth + 1) + _element(child, style, declared, depth + 1) for child in part.content
        )
        inner += _line(style, depth) if part.content else ""
    return f"<{name}{spaces}{attributes}>{inner}</{name}>"


def _bind(prefix: str, local: str, style: Style, declared: dict[str, str]) -> str:
    uri = NAMESPACES[prefix]
    short = style.prefixes.get(prefix, prefix)
    if declared.get(short) != uri:
        declared[short] = uri
    return f"{short}:{local}" if short else local


def _attribute(key: str, style: Style, declared: dict[str, str]) -> str:
    prefix, colon, local = key.partition(":")
    return _bind(prefix, local, style, declared) if colon and prefix in NAMESPACES else key


def _renamed(part: Node, style: Style) -> str:
    content = str(part.content)
    if part.name == "s:Value" and content.startswith("s:"):  # a code is a name in the envelope's prefix
        return f"{style.prefixes.get('s', 's')}:{content[2:]}"
    return content
