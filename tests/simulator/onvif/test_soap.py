"""Laws of the writing: whatever a maker's style, what is written is what was meant."""

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.simulator.onvif.makers import MAKERS
from appliance.simulator.onvif.soap import BadSoap, Node, envelope, fault, node, read, tag, write

NAMES = st.sampled_from(["tt:Name", "tds:Scopes", "trt:Profiles", "tev:Thing", "wsnt:Message", "tt:Item"])
TEXTS = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=8)
TREES = st.recursive(
    st.builds(node, NAMES, TEXTS.filter(bool)),
    lambda inner: st.builds(
        lambda name, parts, value: node(name, *parts, handle=value), NAMES, st.lists(inner, max_size=3), TEXTS
    ),
    max_leaves=12,
)


def same(element, wanted: Node) -> bool:
    if isinstance(wanted.content, str):
        alike = element.text == wanted.content
    else:
        alike = len(element) == len(wanted.content) and all(map(same, element, wanted.content))
    return alike and element.tag == tag(wanted.name) and dict(element.attrib) == dict(wanted.attributes)


@given(TREES, st.sampled_from(MAKERS))
def test_every_style_says_the_same(tree, maker):
    body = fromstring(write(envelope(tree), maker.style))[0]
    assert same(body[0], tree)


def test_makers_write_differently():
    tree = envelope(node("tds:GetNTPResponse", node("tt:FromDHCP", False)))
    assert len({write(tree, maker.style) for maker in MAKERS}) >= 5


def test_a_fault_s_code_is_in_the_envelope_s_prefix():
    written = write(envelope(fault("Sender", "ter:NoProfile", "no")), MAKERS[0].style)
    assert b"<env:Value>env:Sender</env:Value>" in written


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1",
        b"<a/>",
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>',
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    ],
)
def test_what_is_no_request_is_said_to_be_none(data):
    with pytest.raises(BadSoap):
        read(data)
