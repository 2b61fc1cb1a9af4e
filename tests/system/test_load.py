"""A busy dom0 on several CPUs: what it computes is right, and every reference count afterwards."""

import pytest

from toolstack import Tools


@pytest.fixture(scope="module")
def busy_dom0():
    """One machine for all tests here, with nothing but dom0."""
    machine = Tools("load", cpus=4, mem="3G")
    machine.start_tools()
    yield machine
    machine.stop()


@pytest.mark.soak
def test_stress_ng(busy_dom0):
    """Forks, threads, page tables, signals, pipes, timers and files, each checked by stress-ng itself."""
    busy_dom0.run("stress-ng --version")
    for stressors in ("--fork 4 --vfork 2 --clone 2 --exec 2", "--vm 4 --vm-bytes 64M --mmap 2 --mremap 2 --brk 2 --madvise 2",
                      "--switch 4 --pipe 2 --futex 2 --sem 2 --signal 2 --timer 2", "--hdd 2 --hdd-bytes 16M --io 2 --fault 4",
                      "--fp 2 --cpu 4 --matrix 2 --memcpy 2"):
        busy_dom0.run(f"stress-ng --verify --timeout 12 --temp-path /tmp {stressors} > /tmp/stress 2>&1 || "
                      "{ tail -20 /tmp/stress; false; }", 240)
        busy_dom0.audit()
    busy_dom0.check_log()


@pytest.mark.soak
def test_compile_job(busy_dom0):
    """The compile job of test_dom0.py four at a time, twice: the same program each time."""
    busy_dom0.run("cp -r /tools/job /tmp; cd /tmp/job; ./generate")
    for attempt in "ab":
        busy_dom0.run(f"rm -f *.o; make -s -j4; ./job > said.{attempt}; mv job job.{attempt}", 900)
    busy_dom0.run("cmp job.a job.b; cmp said.a said.b; test -s said.a; cd")
    busy_dom0.audit()
    busy_dom0.check_log()
