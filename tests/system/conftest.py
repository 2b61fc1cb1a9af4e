"""Fixtures of the whole-machine tests, and the counts for build/results/system.txt."""

import os
import re

import pytest

import machine as machine_module
from machine import BUILD, Machine
from toolstack import Tools


@pytest.fixture
def start(request):
    """A function that starts a machine named after the test; all of them are ended and judged afterwards."""
    started = []

    def start_machine(**settings):
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name).strip("-")
        if started:
            name += f"-{len(started) + 1}"
        started.append(Machine(name, **settings))
        return started[-1]

    yield start_machine
    for item in started:
        item.stop()
    for item in started:
        if not item.expect_complaints:
            item.check_log()


@pytest.fixture(scope="session")
def tools_kept():
    """Keeps one machine with Xen's tools for all tests that need no machine of their own."""
    kept = {"count": 0, "hopeless": 0}
    yield kept
    if kept.get("machine"):
        kept["machine"].stop()


@pytest.fixture
def dom0(tools_kept, request):
    """A machine with Xen's tools and one tiny guest, "one", shared until a test fails; its audit is clean afterwards."""
    machine = tools_kept.pop("machine", None)
    if not machine:
        # A VMM that cannot bring this up has failed all of these tests; no need to wait for each.
        if tools_kept["hopeless"] >= 2:
            pytest.fail("dom0 did not come up twice before")
        tools_kept["count"] += 1
        tools_kept["hopeless"] += 1
        machine = Tools(f"xl-{tools_kept['count']}")
    try:
        machine.ready()
        tools_kept["hopeless"] = 0
        yield machine
        if request.node.went_well:
            machine.destroy_all(keep=["one"])
            machine.audit()
            machine.check_log()
            tools_kept["machine"] = machine
    finally:
        if tools_kept.get("machine") is not machine:
            machine.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Let fixtures know whether the test itself went well."""
    outcome = yield
    if call.when == "call":
        item.went_well = outcome.get_result().passed


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: takes long; run by make soak only")


def pytest_collection_modifyitems(config, items):
    """Without an explicit -m, the long ones are left out."""
    if config.option.markexpr:
        return
    skipped = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if item not in skipped]
    config.hook.pytest_deselected(items=skipped)


def pytest_report_header(config):
    return f"hypervisor: {machine_module.HYPERVISOR}"


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    passed = len(stats.get("passed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    results = BUILD / "results"
    results.mkdir(parents=True, exist_ok=True)
    suite = os.environ.get("SUITE", "system")
    (results / f"{suite}.txt").write_text(f"passed {passed} failed {failed}\n")
