"""XML as cameras write it, and as those write it who mean harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.onvif import tree
from appliance.onvif.tree import NoTreeError, Xml, plain, read_tree, xml


def test_an_answer_is_a_tree() -> None:
    root = read_tree(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<e:Envelope xmlns:e="urn:e" xmlns:t="urn:t"><e:Body>'
        b'<t:Answer token="7"><t:A><t:B> one </t:B><t:B>2.5</t:B></t:A><t:C>true</t:C></t:Answer>'
        b"</e:Body></e:Envelope>"
    )
    answer = root.at("Body/Answer")
    assert root.name == "Envelope" and answer is not None
    assert (answer.name, answer.namespace, answer.attributes) == ("Answer", "urn:t", {"token": "7"})
    assert [node.said("") for node in answer.every("A/B")] == ["one", "2.5"]
    assert (answer.said("A/B"), answer.flag("C"), answer.flag("A/B")) == ("one", True, None)
    assert answer.at("A/X") is None and answer.said("A/X") == ""
    assert [node.said("") for node in root.anywhere("B")] == ["one", "2.5"]


@pytest.mark.parametrize(
    "data",
    [
        '<?xml version=”1.0” ?><e:Envelope xmlns:soapenv="urn:e"><e:Body><x:A>ü</x:A></e:Body></e:Envelope>',
        '<?xml version="1.0" encoding="utf-16"?><Envelope><Body><A>ü</A></Body></Envelope>',
        "\ufeff  <Envelope><Body><A>ü</A></Body></Envelope>\x00\x00",
        "<a:Envelope><a:Body><A>ü</A></a:Body></b:Envelope>",
        "<Envelope><Body><A>ü</A></Body></Envelope>\n<!-- 12 ms --><html>",
        "HTTP junk <Envelope><Body><A>\x01ü</A></Body></Envelope>",
    ],
)
def test_what_cameras_get_wrong_does_no_harm(data: str) -> None:
    assert read_tree(data.encode()).said("Body/A") == "ü"


def test_texts_in_makers_own_encodings() -> None:
    text = "<?xml version='1.0' encoding='{}'?><Envelope><Body><A>海康</A></Body></Envelope>"
    assert read_tree(text.format("GB2312").encode("gb2312")).said("Body/A") == "海康"
    assert read_tree(text.format("utf-16").encode("utf-16")).said("Body/A") == "海康"
    assert read_tree(b"<Envelope><Body><A>\xff\xfea</A></Body></Envelope>").said("Body/A").endswith("a")


def test_addresses_with_bare_ampersands() -> None:
    data = b"<E><Uri>rtsp://h/?a=1&b=2&amp;c=3&lt;4</Uri><T>a < 5</T></E>"
    assert read_tree(data).said("Uri") == "rtsp://h/?a=1&b=2&c=3<4"
    assert read_tree(data).said("T") == "a < 5"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01\x02",
        b"plain text",
        b"<html><body><br></body>",
        b"<E><Body><A>cut off",
        b'<!DOCTYPE E [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><E>&b;</E>',
        b"<!DOCTYPE E><E/>",
        b'<!DOCTYPE E SYSTEM "http://192.0.2.1/x.dtd"><E/>',
        b'<!DOCTYPE E [<!ENTITY a SYSTEM "file:///etc/passwd">]><E>&a;</E>',
        b"<a>" * 1000,
        b"<E>" + b"<a/>" * (tree.MOST_NODES + 1) + b"</E>",
        b"<E>" + b" " * tree.MOST_BYTES + b"</E>",
        b"<?xml version='1.0' encoding='zip'?>\x00",
        b"<E " + b" ".join(b'xmlns:p%d="u"' % n for n in range(600)) + b"><a/></E>",
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(NoTreeError):
        read_tree(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_tree_or_none(data: bytes) -> None:
    try:
        read_tree(b"<E><Body>" + data + b"</Body></E>")
    except NoTreeError as error:
        assert str(error).isprintable()


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_written_is_read_again(text: str, value: str) -> None:
    written = xml("p:Root", xml("p:A", text, token=value), None, xml("p:B"), True, 3, 0.5)
    root = read_tree(written.encode("utf-8", "replace"))
    kept = "".join(c for c in text if c.isprintable() or c in "\t\n\r")
    if kept == text and "�" not in text.encode("utf-8", "replace").decode():
        assert root.said("A", 4000).split() == plain(text, 4000).split()
    assert len(root.children) == 2 and root.text.strip() == "true30.5"


def test_figures_that_mean_nothing_are_none() -> None:
    root = read_tree(b"<E><a>nan</a><b>1e400</b><c>-3.6</c><d>9999999999999</d><e>x</e></E>")
    assert [root.number(name) for name in "abcde"] == [None, None, -3.6, None, None]
    assert root.whole("c") == -4


def test_an_element_is_written_once() -> None:
    inner = xml("b", '1 < 2 & "3"')
    assert inner == "<b>1 &lt; 2 &amp; &quot;3&quot;</b>"
    assert xml("a", inner, k='"') == f'<a k="&quot;">{inner}</a>'
    assert isinstance(inner, Xml) and xml("c") == "<c/>"
