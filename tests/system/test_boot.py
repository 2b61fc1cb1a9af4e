"""A stock Debian kernel comes up as dom0, on machines of several sizes."""

import re

import pytest

from machine import DISK, INITRD, INITRD_STOCK, VMLINUX

ROOT_ARGS = "root=/dev/vda ro console=hvc0"


def check_dom0(machine, cpus, gibibytes):
    assert machine.read_file("/sys/hypervisor/type") == "xen"
    version = ".".join(machine.read_file(f"/sys/hypervisor/version/{part}") for part in ("major", "minor"))
    assert version == "4.17"
    assert machine.run("nproc") == str(cpus)
    assert "hvc0" in machine.read_file("/sys/class/tty/console/active").split()
    # dom0_mem is not given: all memory but what the hypervisor keeps goes to dom0.
    total = int(re.search(r"MemTotal:\s+(\d+) kB", machine.read_file("/proc/meminfo")).group(1))
    assert 0.70 * gibibytes < total / (1 << 20) < gibibytes


@pytest.mark.parametrize("cpus, mem", [
    (1, 2),
    (4, 6),
    pytest.param(1, 6, marks=pytest.mark.soak),
    pytest.param(2, 2, marks=pytest.mark.soak),
    pytest.param(2, 6, marks=pytest.mark.soak),
    pytest.param(4, 2, marks=pytest.mark.soak),
])
def test_tiny(start, cpus, mem):
    """Packed kernel, small initial RAM disk."""
    machine = start(cpus=cpus, mem=f"{mem}G")
    machine.wait_for_shell()
    check_dom0(machine, cpus, mem)


def test_little_memory(start):
    """What is left for dom0 by default is less than what unpacking its kernel needs meanwhile."""
    machine = start(mem="512M")
    machine.wait_for_shell()
    total = int(re.search(r"MemTotal:\s+(\d+) kB", machine.read_file("/proc/meminfo")).group(1))
    assert total > 256 << 10


def test_unpacked_kernel(start):
    machine = start(kernel=VMLINUX, args="console=hvc0 earlyprintk=xen")
    machine.wait_for(r"Linux version", what="kernel's first line")
    machine.wait_for_shell()
    check_dom0(machine, 1, 2)


def test_rdinit_shell(start):
    """The shell itself as first program, as someone does to repair a system."""
    machine = start(kernel=VMLINUX, args="console=hvc0 earlyprintk=xen rdinit=/bin/busybox sh")
    machine.wait_for(r"/ # |~ # |BusyBox", 90, "busybox")


@pytest.mark.parametrize("cpus, mem", [
    (4, 6),
    pytest.param(1, 2, marks=pytest.mark.soak),
    pytest.param(1, 6, marks=pytest.mark.soak),
    pytest.param(2, 2, marks=pytest.mark.soak),
    pytest.param(2, 6, marks=pytest.mark.soak),
    pytest.param(4, 2, marks=pytest.mark.soak),
    pytest.param(8, 4, marks=pytest.mark.soak),
])
def test_debian(start, cpus, mem):
    """The whole of Debian from its disk to a root shell on the console."""
    machine = start(cpus=cpus, mem=f"{mem}G", disk=DISK, initrd=INITRD, args=ROOT_ARGS, net="")
    machine.wait_for_shell(420)
    check_dom0(machine, cpus, mem)
    assert machine.run("tty") == "/dev/hvc0"
    assert machine.run("findmnt -no SOURCE /") == "/dev/vda"
    assert machine.run("systemctl is-system-running --wait", 300) == "running"
    assert machine.run("systemctl --failed --no-legend --plain") == ""


@pytest.mark.parametrize("kernel, disk", [
    (VMLINUX, None),
    pytest.param(None, DISK, marks=pytest.mark.soak),
])
def test_hardened(start, kernel, disk):
    """Every measure against speculation that can be forced on a CPU which needs none, on two of them."""
    settings = {"disk": disk, "initrd": INITRD, "args": ROOT_ARGS, "net": ""} if disk else {"kernel": kernel}
    machine = start(cpus=2, hv_args="console=com1 com1=115200,8n1 xpti=1 pv-l1tf=1 spec-ctrl=rsb,verw", **settings)
    machine.wait_for_shell(420 if disk else 120)
    check_dom0(machine, 2, 2)
    summary = [line for line in machine.log().splitlines() if "Speculation:" in line]
    assert len(summary) == 1
    for measure in ("split for all (xpti)", "L1TF checks for all", "cleared on exit", "filled on entry"):
        assert measure in summary[0]


@pytest.mark.soak
def test_stock_initrd(start):
    """Debian's own initial RAM disk, with every driver in it."""
    machine = start(cpus=2, disk=DISK, initrd=INITRD_STOCK, args=ROOT_ARGS, net="")
    machine.wait_for_shell(300)
    assert machine.run("findmnt -no SOURCE /") == "/dev/vda"


def test_dom0_limits(start):
    """dom0_mem and dom0_max_vcpus mean what they mean on Xen."""
    machine = start(cpus=2, hv_args="console=com1 com1=115200,8n1 dom0_mem=640M dom0_max_vcpus=1")
    machine.wait_for_shell()
    assert machine.run("nproc") == "1"
    total = int(re.search(r"MemTotal:\s+(\d+) kB", machine.read_file("/proc/meminfo")).group(1))
    assert 480 << 10 < total < 640 << 10


def test_command_line(start):
    """The kernel gets its command line as it was written, commas too."""
    words = "console=hvc0 some.option=a,b,c last=1"
    machine = start(args=words)
    machine.wait_for_shell()
    assert machine.read_file("/proc/cmdline").endswith(words)


@pytest.mark.soak
@pytest.mark.parametrize("attempt", range(10))
def test_ten_boots_in_a_row(start, attempt):
    machine = start(cpus=4, disk=DISK, initrd=INITRD, args=ROOT_ARGS, net="")
    machine.wait_for_shell(240)
    check_dom0(machine, 4, 2)
