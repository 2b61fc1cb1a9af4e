"""Guests that are saved to a file and go on from there."""

import pytest

from saving import FILE, end, goes_on, start
from test_xl_failures import given_back, unchanged  # noqa: F401 (fixtures)
from toolstack import ON_XEN


def save_and_restore(dom0, vcpus):
    start(dom0, vcpus)
    first = dom0.domains()["kept"][0]
    dom0.run(f"xl save -c kept {FILE}", 200)
    assert dom0.domains()["kept"][0] == first
    goes_on(dom0, vcpus)
    dom0.run(f"xl save kept {FILE}", 200)
    assert "kept" not in dom0.domains()
    dom0.run(f"xl restore {FILE}", 200)
    assert dom0.domains()["kept"][0] > first
    goes_on(dom0, vcpus)
    end(dom0)


def test_save_and_restore(dom0):
    """A guest goes on in place after xl save -c, and after xl save in a domain of another number."""
    save_and_restore(dom0, 2)


@pytest.mark.soak
@pytest.mark.parametrize("vcpus", [1, 3, 4])
def test_save_and_restore_by_vcpus(unchanged, vcpus):
    save_and_restore(unchanged, vcpus)


@pytest.mark.soak
def test_fifty_rounds(unchanged):
    """The same guest through fifty files. Its kernel loses some 2 MiB each time, on any hypervisor: it gets enough."""
    start(unchanged, 2, memory=256)
    for i in range(50):
        unchanged.run(f"xl save kept {FILE} && xl restore {FILE}", 300)
        assert unchanged.guest("kept", "cat /tmp/kept; kill -0 $(cat /tmp/pid) && nproc").split() == ["hello", "2"], f"round {i}"
        if i % 10 == 9:
            goes_on(unchanged, 2)
            unchanged.audit()
    end(unchanged)


@pytest.mark.soak
def test_restore_twice_and_paused(unchanged):
    """Checkpoints can be gone back to, and a restored guest can stay paused."""
    start(unchanged, 2)
    unchanged.run(f"xl save -c kept {FILE}", 200)
    # The disk is no part of the checkpoint, so that it is the same both times.
    unchanged.guest("kept", "echo later > /tmp/kept")
    for _ in range(2):
        unchanged.run(f"xl destroy kept; xl restore -p {FILE}", 200)
        assert unchanged.domains()["kept"][3:] == ("--p---", 0.0)
        unchanged.run("xl unpause kept")
        goes_on(unchanged, 2)
        unchanged.guest("kept", "echo later > /tmp/kept")
    end(unchanged)


def settings(dom0):
    """What the scheduler knows of the guest: weight, cap, affinity of each vCPU."""
    return dom0.run("xl sched-credit2 -d kept | tail -n 1 | awk '{print $3, $4}'; "
                    "xl vcpu-list kept | tail -n +2 | sed 's/.* \\([^ ]* \\/ [^ ]*\\)$/\\1/'").splitlines()


@pytest.mark.soak
def test_settings(unchanged):
    """xl keeps weight and cap as they are, and affinity as the guest was created with."""
    unchanged.create("kept", vcpus=2, cpu_weight=512, cap=70, cpus="1", cpus_soft="0")
    unchanged.wait_guest("kept")
    assert settings(unchanged) == ["512 70", "1 / 0", "1 / 0"]
    unchanged.run("xl sched-credit2 -d kept -w 300 -c 60; xl vcpu-pin kept 0 0 1")
    assert settings(unchanged) == ["300 60", "0 / 1", "1 / 0"]
    unchanged.run(f"xl save kept {FILE}; xl restore {FILE}", 200)
    assert settings(unchanged) == ["300 60", "1 / 0", "1 / 0"]
    unchanged.run(f"xl destroy kept; rm {FILE}")


@pytest.mark.soak
def test_saving_what_is_paused(unchanged):
    """Its kernel cannot answer: xl gives up, and the guest goes on where it was."""
    unchanged.create("kept")
    unchanged.wait_guest("kept")
    unchanged.run("xl pause kept")
    status, text = unchanged.run(f"xl save kept {FILE} 2>&1", 200, check=False)
    assert status != 0 and "guest didn't acknowledge suspend" in text, text
    unchanged.run("xl unpause kept")
    assert unchanged.guest("kept", "echo alive") == "alive"
    unchanged.run(f"xl destroy kept; rm -f {FILE}")


def core(dom0):
    """A core of the guest has what it has in memory."""
    dom0.run(f"xl dump-core kept {FILE}.core", 200)
    assert int(dom0.run(f"stat -c %s {FILE}.core")) > 120 << 20
    dom0.run(f"grep -q -a 'mark in memory 271828' {FILE}.core; rm {FILE}.core", 120)


@pytest.mark.soak
def test_debugging_what_was_restored(unchanged):
    """Cores, the guest's own keys and NMIs, before and after."""
    nmis = "grep NMI /proc/interrupts | cut -c6-16"
    unchanged.create("kept")
    unchanged.wait_guest("kept")
    unchanged.guest("kept", 'n=27; echo "mark in memory ${n}1828" > /tmp/mark')
    core(unchanged)
    unchanged.run(f"xl save kept {FILE}; xl restore {FILE}; rm {FILE}", 200)
    core(unchanged)
    before = int(unchanged.guest("kept", nmis))
    unchanged.run("xl trigger kept nmi 0")
    unchanged.wait_until(f"[ $(guest run kept '{nmis}') -gt {before} ]", 20)
    unchanged.run("xl sysrq kept h")
    unchanged.wait_until("guest run kept 'dmesg | grep HELP' | grep -q 'sak(k)'", 20)
    unchanged.run("xl sysrq kept o")
    unchanged.wait_gone("kept")


@pytest.mark.soak
def test_live_migration(given_back):
    """It needs a log of written pages: it ends with a message of the tool and the VMM, and the guest goes on.
    (The domain that receives has the guest's UUID; on the same machine it takes /vm/UUID out of the store when it ends.)"""
    status, text = given_back.run("xl migrate -s '' one 'xl migrate-receive' 2>&1", 120, check=False)
    assert status != 0, text
    assert "Failed to enable logdirty: 95" in text, text
    if not ON_XEN:
        given_back.run("xl dmesg | tail | grep -q 'no live migration'")
    assert given_back.guest("one", "echo alive") == "alive"
