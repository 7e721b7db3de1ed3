import json
import re
from xml.etree import ElementTree

import pytest
from rich.console import Console

from implicitbias.ledger import as_json, errata, html, summary, table, verify


@pytest.fixture(scope="module")
def found(toys):
    return verify(toys.ALL, jobs=1)


def shown(found, width=160):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table(found))
    return capture.get()


def test_table_has_every_claim_with_verdict_evidence_and_correction(found, toys):
    text = shown(found)
    for claim in toys.ALL.values():
        assert claim.id in text
    for words in (
        "false as printed",
        "Instead (proved): The true one.",
        "A remark.",
        "counterexample: at one half",
    ):
        assert words in text
    # brackets are text, not markup
    assert "holds [for sure] & <plainly>" in text
    assert "FAILS one is two" in text
    assert "50 cases: squares" in text


def test_summary(found):
    line = summary(found)
    assert line.startswith("7 claims: 5 proved, 1 tested, 1 false as printed; 7 pieces of evidence (")
    assert "3 fails" in line


def test_json_goes_round(found):
    record = json.loads(json.dumps(as_json(found), allow_nan=False))
    by_id = {claim["id"]: claim for claim in record["claims"]}
    assert by_id["moroshko.false"]["correction"]["evidence"][0]["state"] == "holds"
    assert by_id["woodworth.good"]["correction"] is None
    assert by_id["moroshko.tested"]["evidence"][0]["cases"] == 50
    assert by_id["woodworth.bad"]["evidence"][0]["steps"] == []


def test_page_is_well_formed_and_escaped(found, toys):
    page = html(found)
    # but for the doctype and the void elements it is XML
    body = re.sub(r"<meta[^>]*>", "", page.split("\n", 1)[1])
    tree = ElementTree.fromstring(body)
    assert {a.get("id") for a in tree.iter("article")} == set(toys.ALL)
    assert "&lt;plainly&gt;" in page
    assert "http" not in page.replace("http://www.w3.org/1998/Math/MathML", "")
    assert page.count("<math") == len(toys.ALL) + 1


def test_errata_hold_the_counterexample_and_the_correction(toys):
    page = errata(toys.ALL)
    assert "### `moroshko.false`" in page
    assert "**Counterexample.** at one half." in page
    assert "**Instead** (proved). The true one.\n\n$$x = 1$$" in page
    assert "woodworth" not in page.split("\n", 6)[-1]


def test_errata_need_their_counterexamples_to_hold(toys):
    from dataclasses import replace

    from implicitbias.ledger import counterexample

    wrong = replace(toys.FALSE, evidence=(counterexample(toys.one_is_two),))
    with pytest.raises(RuntimeError, match="one_is_two fails: one is two"):
        errata({wrong.id: wrong})
