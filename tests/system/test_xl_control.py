"""Keys of xl.cfg(5) that change what a guest sees of the machine, and the VMM's own parameters."""

import re


def cpu_flags(dom0, name):
    return set(dom0.guest(name, "grep -m1 ^flags /proc/cpuinfo").split())


def test_cpuid_key(dom0):
    """A feature that is taken away is gone for the guest's kernel, with what needs it; others stay."""
    assert {"sse4_1", "sse4_2", "aes"} <= cpu_flags(dom0, "one")
    dom0.create("less", cpuid="host,sse4.1=0")
    dom0.wait_guest("less")
    flags = cpu_flags(dom0, "less")
    assert not flags & {"sse4_1", "sse4_2"}
    assert cpu_flags(dom0, "one") - flags == {"sse4_1", "sse4_2"}


def test_tsc_mode_key(dom0):
    """Time goes on in every mode, and the emulated counter is the one the guest was told of."""
    for mode in ("always_emulate", "native", "default"):
        dom0.create("clock", tsc_mode=mode, vcpus=2)
        dom0.wait_guest("clock")
        before, after = (float(line.split()[0]) for line in
                         dom0.guest("clock", "cat /proc/uptime; sleep 2; cat /proc/uptime").splitlines())
        assert 2 <= after - before < 20, f"{mode}: {after - before} s"
        dom0.run("xl destroy clock")
        dom0.wait_gone("clock")


def test_device_keys(dom0):
    """A guest has the ports it was given, and no others; what the VMM needs cannot be given."""
    read = "test -c /tmp/port || mknod /tmp/port c 1 4; dd if=/tmp/port bs=1 skip={} count=1 2>/dev/null | od -An -tx1"
    dom0.create("owner", ioports='["70-71"]', iomem='["b8,1"]', irqs="[5]")
    dom0.wait_guest("owner")
    # Index 0 of CMOS: the second, in decimal digits.
    assert re.fullmatch(r"[0-5][0-9]", dom0.guest("owner", read.format(0x71)).strip())
    assert dom0.guest("owner", read.format(0x20)).strip() == "ff"
    assert dom0.guest("one", read.format(0x71)).strip() == "ff"
    for wrong in ('ioports=["3f8-3ff"]', 'ioports=["20-21"]', 'iomem=["fee00,1"]'):
        status, text = dom0.run(f"xl create -q /tools/tiny.cfg 'name=\"greedy\"' '{wrong}' 2>&1", 120, check=False)
        assert status != 0, text
    dom0.wait_gone("greedy")


def test_parameters(dom0):
    """xl set-parameters and xenhypfs."""
    assert dom0.run("xenhypfs cat /buildinfo/version/major") == "4"
    dom0.run("xl set-parameters guest_loglvl=error/info")
    assert dom0.run("xenhypfs cat /params/guest_loglvl") == "error/info"
    assert dom0.run("xl set-parameters guest_loglvl=nonsense 2>&1", check=False)[0] != 0
    dom0.run("xenhypfs write /params/guest_loglvl warning")
    assert dom0.run("xenhypfs cat /params/guest_loglvl") == "warning/warning"
    assert "sched-gran" in dom0.run("xenhypfs tree")
