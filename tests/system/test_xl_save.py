"""Guests that are saved to a file and go on from there, and what can go wrong with that."""

import re

import pytest

from test_dom0 import HOST
from test_xl_failures import given_back, left_in_store, unchanged  # noqa: F401 (fixtures)
from toolstack import ON_XEN


def ahead(dom0):
    """Seconds by which the guest's clock is ahead of dom0's: the least and the most it can be."""
    before, there, after = map(int, dom0.run("date +%s; guest run kept 'date +%s'; date +%s").split())
    return there - after - 1, there - before + 1


def start(dom0, vcpus):
    """A guest "kept" with a disk, a card, a computation, and something in its memory."""
    dom0.run("head -c 4M /dev/urandom > /root/disk")
    dom0.create("kept", vcpus=vcpus, disk='["file:/root/disk,xvdb,w"]', vif='["mac=00:16:3e:00:02:01,bridge=xenbr0"]')
    dom0.wait_guest("kept")
    dom0.wait_until("guest run kept 'test -b /dev/xvdb -a -d /sys/class/net/eth0'")
    dom0.guest("kept", "ip link set eth0 up; ip addr add 10.0.2.91/24 dev eth0; echo hello > /tmp/kept; "
                       "(while :; do :; done) & echo $! > /tmp/pid; cut -d. -f1 /proc/uptime > /tmp/uptime")
    dom0.kept_ahead = ahead(dom0)


def goes_on(dom0, vcpus):
    """It is where it was: processes, memory, vCPUs, clock, disk, network."""
    assert dom0.guest("kept", "cat /tmp/kept; nproc").split() == ["hello", str(vcpus)]
    dom0.guest("kept", "kill -0 $(cat /tmp/pid) && for c in $(seq 0 $(($(nproc) - 1))); do "
                       "taskset -p $((1 << c)) $$ >/dev/null; sleep 0.1; done; taskset -p ff $$ >/dev/null")
    before, after, uptime = map(int, dom0.guest("kept", "cut -d. -f1 /proc/uptime; sleep 1; cut -d. -f1 /proc/uptime; "
                                                        "cat /tmp/uptime").split())
    assert uptime <= before < after
    earliest, latest = ahead(dom0)
    assert earliest <= dom0.kept_ahead[1] and dom0.kept_ahead[0] <= latest, f"{dom0.kept_ahead} became {earliest, latest}"
    digest = dom0.guest("kept", "dd if=/dev/urandom of=/dev/xvdb bs=1M count=1 2>/dev/null; sync; "
                                "echo 3 > /proc/sys/vm/drop_caches; sha256sum < /dev/xvdb").split()[0]
    assert dom0.run("sha256sum < /root/disk").split()[0] == digest
    # Its bridge has to learn the way to it, where the card is a new one.
    dom0.wait_until(f"guest run kept 'ping -c 1 -W 2 {HOST}' >/dev/null", 30)


def end(dom0):
    dom0.run("xl destroy kept; rm -f /root/disk /root/kept.save", 90)


def save_and_restore(dom0, vcpus):
    start(dom0, vcpus)
    first = dom0.domains()["kept"][0]
    dom0.run("xl save -c kept /root/kept.save", 200)
    assert dom0.domains()["kept"][0] == first
    goes_on(dom0, vcpus)
    dom0.run("xl save kept /root/kept.save", 200)
    assert "kept" not in dom0.domains()
    dom0.run("xl restore /root/kept.save", 200)
    assert dom0.domains()["kept"][0] > first
    goes_on(dom0, vcpus)
    end(dom0)


def test_save_and_restore(dom0):
    """A guest goes on in place after xl save -c, and after xl save in a domain of another number."""
    save_and_restore(dom0, 2)


@pytest.mark.soak
def test_live_migration(unchanged):
    """It needs a log of written pages: it ends with a message of the tool and the VMM, and the guest goes on."""
    status, text = unchanged.run("xl migrate -s '' one 'xl migrate-receive' 2>&1", 120, check=False)
    assert status != 0, text
    assert "Failed to enable logdirty: 95" in text, text
    if not ON_XEN:
        unchanged.run("xl dmesg | tail | grep -q 'no live migration'")
    assert unchanged.guest("one", "echo alive") == "alive"


# -- bad files

@pytest.fixture
def file(unchanged):
    """The file of a guest "kept" that was saved; whatever was made of it is gone afterwards, and it is good still."""
    unchanged.create("kept")
    unchanged.wait_guest("kept")
    unchanged.run("xl save kept /root/kept.save", 200)
    yield unchanged
    unchanged.run("xl restore /root/kept.save", 200)
    assert unchanged.guest("kept", "echo alive") == "alive"
    unchanged.run("xl destroy kept; rm -f /root/kept.save /root/bad.save", 90)


def state(dom0):
    return dom0.free_memory(), sorted(dom0.domains()), left_in_store(dom0)


# What the file is made into (toolbox/damage), and what the tools say.
BAD_FILES = {
    "nothing": r"reading|read|save file",
    "header": r"read",
    "configuration": r"read",
    "before-image": r"read|stream",
    "half": r"read|stream",
    "before-vcpus": r"read|stream",
    "end": r"read|stream",
    "magic": r"not a .*save|magic",
    "syntax": r"pars",
    "image-version": r"version",
    "record-type": r"record",
    "record-length": r"record",
    "width": r"width",
    "p2m-size": r"P2M|pfn|p2m",
    "p2m-frames": r"pfn|p2m",
    "page-number": r"pfn",
    "page-type": r"type|pfn",
    "top-table": r"helper .* died",
    "bottom-table": r"helper .* died",
    "vcpu-number": r"vcpu",
    "vcpu-length": r"vcpu|length|record",
}


@pytest.mark.soak
def test_bad_files(file):
    """xl restore says what is wrong with a file that is cut short or altered, and nothing of the guest is left."""
    before = state(file)
    wrong = []
    for how, message in BAD_FILES.items():
        file.run(f"damage /root/kept.save /root/bad.save {how}")
        status, text = file.run("xl restore /root/bad.save 2>&1", 200, check=False)
        after = state(file)
        if status == 0 or not re.search(message, text, re.IGNORECASE) or after != before:
            wrong.append(f"{how}: status {status}, {before} became {after}:\n{text}")
            file.destroy_all(keep=["one"])
    assert not wrong, "\n".join(wrong)
    assert file.guest("one", "echo alive") == "alive"
