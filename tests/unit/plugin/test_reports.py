"""Claims and measured values reach the terminal and the JUnit report; evidence is for unexpected failures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
# Stands for a lab that is up: what is shown here is when the plugin asks for evidence, not what it finds.
STAND_IN = """
import pytest
from lab.plugin import SESSION

class Session:
    lab, used, chosen = object(), False, ""
    asked = []
    def file_for(self, test):
        return test.parent
    def describe(self, file):
        return "a stand-in"
    def collect_evidence(self, test, extra):
        self.asked.append(test)
        return f"in the folder of {test}"

def pytest_configure(config):
    config.stash[SESSION] = Session()

@pytest.fixture(scope="session")
def lab():
    yield
    print("\\nasked for:", *Session.asked)
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    pytester.makeini("[pytest]\naddopts = --strict-markers")
    return pytester


def run(inner: pytest.Pytester, *words: str) -> pytest.RunResult:
    return inner.runpytest_subprocess("-p", "lab.plugin", *words)


def test_figures_of_a_measured_failover_are_left_to_its_table_and_to_junit(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        def test_measured(record_property):
            record_property("figure: outage", "7 ms")
            record_property("verdict", "within")
        def test_another(figure): figure("age", 8, "ms")
        """
    )
    result = run(inner, "--junitxml=junit.xml")
    assert [line for line in result.outlines if " ms" in line] == ["test_another: age 8 ms"]
    assert 'name="figure: outage" value="7 ms"' in (inner.path / "junit.xml").read_text()


def test_the_summary_says_which_claims_hold_and_which_fail(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest
        claim = pytest.mark.claim
        @claim("A10")
        def test_ten(): pass
        @claim("A2")
        def test_two(): pass
        @claim("A2", "A7")
        def test_more(): assert 0
        @claim("A7")
        def test_seven(): pass
        @claim("A9")
        def test_nine(): pass
        @claim("A10", "B1")
        def test_skipped(): pytest.skip("not here")
        @claim("B2")
        @pytest.mark.xfail
        def test_known(): assert 0
        """
    )
    result = run(inner)
    result.stdout.fnmatch_lines(["claims: A9 holds; A10 holds in part; A2 A7 B2 FAIL; B1 not shown"])


def test_a_failing_fixture_fails_its_claim(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest
        @pytest.fixture
        def broken(): assert 0
        @pytest.mark.claim("A1")
        def test_one(broken): pass
        """
    )
    run(inner).stdout.fnmatch_lines(["claims: A1 FAILS"])


def test_a_run_without_claims_says_nothing_of_them(inner: pytest.Pytester) -> None:
    inner.makepyfile("def test_plain(): pass")
    run(inner).stdout.no_fnmatch_line("claims:*")


def test_claims_and_figures_are_properties_of_the_junit_report(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest
        @pytest.mark.claim("A12")
        def test_outage(figure): figure("outage", 2705.4, "ms")
        """
    )
    result = run(inner, "--junitxml=report.xml")
    result.stdout.fnmatch_lines(["test_outage: outage 2705 ms", "claims: A12 holds"])
    properties = [
        (found.get("name"), found.get("value"))
        for found in ElementTree.parse(inner.path / "report.xml").iter("property")
    ]
    assert ("claim", "A12") in properties
    assert ("figure: outage", "2705 ms") in properties


def test_only_an_unexpected_failure_of_a_test_with_machines_leaves_evidence(inner: pytest.Pytester) -> None:
    inner.makeconftest(STAND_IN)
    inner.makepyfile(
        """
        import pytest
        def test_without_machines(): assert 0
        def test_fine(lab): pass
        @pytest.mark.xfail
        def test_known(lab): assert 0
        def test_fails(lab): assert 0
        """
    )
    result = run(inner, "-s")
    result.stdout.fnmatch_lines(["asked for: *::test_fails", "*in the folder of *::test_fails"])


def test_a_test_adds_files_of_its_own_to_its_bundle(inner: pytest.Pytester) -> None:
    inner.makeconftest(STAND_IN.replace('return f"in the', 'return f"{sorted(extra)} in the'))
    inner.makepyfile(
        """
        from lab.plugin import EXTRA
        def test_fails(lab, request):
            request.node.stash[EXTRA] = {"timeline.jsonl": lambda: "{}"}
            assert 0
        """
    )
    run(inner).stdout.fnmatch_lines(["*timeline.jsonl*in the folder of *::test_fails"])


def test_a_fixture_that_fails_for_many_tests_leaves_one_bundle(inner: pytest.Pytester) -> None:
    inner.makeconftest(STAND_IN)
    inner.makepyfile(
        """
        import pytest
        @pytest.fixture(scope="module")
        def article(lab): assert 0
        def test_one(article): pass
        def test_two(article): pass
        """
    )
    result = run(inner, "-s")
    asked = next(line for line in result.outlines if line.startswith("asked for:"))
    assert asked.count("::") == 1
    assert sum("in the folder of" in line for line in result.outlines) == 2
