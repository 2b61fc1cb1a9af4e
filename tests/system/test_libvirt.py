"""Debian's libvirt manages guests: virsh on xen:///system."""

import re

import pexpect
import pytest

from test_xl_failures import given_back, unchanged  # noqa: F401 (fixtures)

SOCKETS = "libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket virtlogd.socket virtlockd.socket"


def start_libvirt(machine):
    machine.run("export LIBVIRT_DEFAULT_URI=xen:///system; systemctl start libvirtd", 120)
    machine.wait_until("virsh list </dev/null >/dev/null 2>&1", 120)


def stop_libvirt(machine):
    machine.run(f"systemctl stop {SOCKETS} libvirtd", 120)


@pytest.fixture
def libvirt(unchanged):
    start_libvirt(unchanged)
    yield unchanged
    stop_libvirt(unchanged)


def virsh(machine, commands, limit=120):
    """Commands of virsh(1), separated by semicolons. It would take what is typed ahead for itself."""
    return machine.run(f"virsh -q '{commands}' </dev/null", limit)


def wait_shut_off(machine, name):
    machine.wait_until(f"[ \"$(virsh domstate {name} </dev/null | head -n 1)\" = 'shut off' ]", 90)
    machine.wait_gone(name)


def test_virsh(libvirt):
    """A small guest is defined, started, paused, destroyed and forgotten; xl sees the same."""
    text = virsh(libvirt, "define /tools/neighbour.xml; list --all; start small; dominfo small; suspend small; domstate small")
    assert re.search(r"-\s+small\s+shut off", text)
    for line in (r"OS Type: +xen", r"State: +running", r"CPU\(s\): +1", r"Used memory: +16384 KiB", r"Persistent: +yes"):
        assert re.search(line, text), text
    assert text.splitlines()[-1] == "paused"
    number, memory, vcpus, state, _ = libvirt.domains()["small"]
    assert (memory, vcpus, state[2]) == (16, 1, "p")
    text = virsh(libvirt, "resume small; list")
    assert re.search(rf"{number}\s+small\s+running", text) and re.search(r"0\s+Domain-0\s+running", text)
    libvirt.see("small", "idle: ready")
    virsh(libvirt, "destroy small; undefine small")
    assert "small" not in libvirt.domains()
    assert "small" not in virsh(libvirt, "list --all")


def on_console(machine, name):
    """virsh console on the serial line: what is typed there reaches the guest, until Ctrl-]."""
    machine.send(f"virsh console {name}\n")
    machine.wait_for("Escape character", 30)
    # It forgets what was typed before it has settled the terminal, and does not say when it has.
    for _ in range(20):
        machine.send("\necho $((50 + 2))\n")
        if machine.process.expect(["\n52\r", pexpect.TIMEOUT], timeout=3) == 0:
            break
    else:
        machine.fail("no answer on virsh's console")
    machine.send("\x1d")
    machine.run("true")


@pytest.mark.soak
def test_life_under_virsh(libvirt):
    """A Linux guest with a disk and a card is started, saved, restored, shut down, started again; its console; what libvirt
    tells of the machine."""
    virsh(libvirt, "define /tools/tiny.xml; start virt", 200)
    libvirt.wait_guest("virt")
    assert libvirt.guest("virt", "nproc; ls /sys/class/net; cat /sys/block/xvda/ro").split() == ["2", "eth0", "lo", "1"]
    found = virsh(libvirt, "vcpucount virt --live --active; dominfo virt; domiflist virt; domblklist virt; dommemstat virt")
    assert found.splitlines()[0] == "2"
    assert re.search(r"vif\d+\.0 +bridge +xenbr0", found) and re.search(r"xvda +/dev/disk/by-id/virtio-toolbox", found)
    assert re.search(r"actual 131072", found)
    libvirt.guest("virt", "echo kept > /tmp/kept; (while :; do sleep 1; done) & echo $! > /tmp/pid")
    virsh(libvirt, "save virt /root/virt.save", 200)
    assert "virt" not in libvirt.domains()
    wait_shut_off(libvirt, "virt")
    virsh(libvirt, "restore /root/virt.save", 200)
    assert libvirt.guest("virt", "cat /tmp/kept; kill -0 $(cat /tmp/pid) && echo alive").split() == ["kept", "alive"]
    on_console(libvirt, "virt")
    virsh(libvirt, "shutdown virt")
    wait_shut_off(libvirt, "virt")
    virsh(libvirt, "start virt", 200)
    libvirt.wait_guest("virt")
    number = libvirt.newest()
    virsh(libvirt, "reboot virt")
    libvirt.wait_newer(number)
    libvirt.wait_guest("virt")
    virsh(libvirt, "setvcpus virt 1; setmem virt 112M")
    libvirt.wait_vcpus("virt", 1)
    libvirt.wait_until("[ $(xl list virt | awk '/^virt/ { print $3 }') = 112 ]")
    virsh(libvirt, "destroy virt; undefine virt")
    libvirt.run("rm /root/virt.save")
    assert "virt" not in virsh(libvirt, "list --all")


@pytest.mark.soak
def test_capabilities(libvirt):
    """What libvirt finds out about the machine by the control interface."""
    text = virsh(libvirt, "capabilities; nodeinfo; version; freecell --all")
    assert "<machine>xenpv</machine>" in text and "<topology sockets='1' dies='1' cores='2' threads='1'/>" in text
    assert re.search(r"CPU\(s\): +2\n", text) and re.search(r"Memory size: +31\d{5} KiB", text)
    assert re.search(r"Running hypervisor: Xen 4\.17\.0", text)
