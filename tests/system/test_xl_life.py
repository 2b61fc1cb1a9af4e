"""How guests begin and end under xl."""

import pytest


def test_create_paused(dom0):
    """create -p: there, and not running until it is unpaused."""
    dom0.run("xl create -p -q /tools/tiny.cfg 'name=\"late\"'", 60)
    assert dom0.domains()["late"][3:] == ("--p---", 0.0)
    dom0.run("sleep 1")
    assert dom0.domains()["late"][4] == 0.0
    dom0.run("xl unpause late")
    dom0.wait_guest("late")
    assert dom0.guest("late", "echo $((6 * 7))") == "42"
    dom0.run("xl destroy late")
    assert "late" not in dom0.domains()


def test_pause(dom0):
    """A paused guest uses no CPU; its clock is right once it goes on."""
    dom0.run("xl pause one")
    before = dom0.domains()["one"]
    assert before[3][2] == "p"
    dom0.run("sleep 3")
    assert dom0.domains()["one"][4] == before[4]
    dom0.run("xl unpause one")
    here, there = dom0.run("date +%s; guest run one 'date +%s'").split()
    assert -1 <= int(there) - int(here) <= 30


def test_console(dom0):
    """xl create -c shows a guest from its first line, and Ctrl-] leaves it running."""
    dom0.send("xl create -c /tools/tiny.cfg 'name=\"seen\"'\n")
    dom0.wait_for(r"Linux version", 60)
    dom0.wait_for(r"tiny# ", 120)
    dom0.send("echo $((40 + 2))\n")
    dom0.wait_for(r"\n42\r", 30)
    dom0.send("\x1d")
    dom0.run("xl domid seen")
    dom0.send("xl console seen\n")
    dom0.send("\necho $((50 + 2))\n")
    dom0.wait_for(r"\n52\r", 30)
    dom0.send("\x1d")
    dom0.run("xl domid seen")


def test_shutdown_and_reboot(dom0):
    """xl asks the guest's kernel; it starts again, or is gone."""
    dom0.create("ends")
    dom0.wait_guest("ends")
    number = dom0.newest()
    dom0.run("xl reboot ends")
    dom0.wait_newer(number)
    dom0.wait_guest("ends")
    dom0.run("xl shutdown -w ends", 90)
    dom0.wait_gone("ends")


def test_sysrq(dom0):
    dom0.create("ends")
    dom0.wait_guest("ends")
    number = dom0.newest()
    dom0.run("xl sysrq ends h")
    assert "sak(k)" in dom0.guest("ends", "dmesg | grep HELP")
    dom0.run("xl sysrq ends b")
    dom0.wait_newer(number)
    dom0.wait_guest("ends")
    dom0.run("xl sysrq ends o")
    dom0.wait_gone("ends")


def test_trigger(dom0):
    """An NMI reaches the guest; the buttons of a machine are not for paravirtual guests."""
    count = "grep NMI /proc/interrupts | cut -c6-16"
    before = int(dom0.guest("one", count))
    dom0.run("xl trigger one nmi 0")
    dom0.wait_until(f"[ $(guest run one '{count}') -gt {before} ]", 20)
    for trigger in ("power", "sleep", "s3resume"):
        assert "failed" in dom0.run(f"xl trigger one {trigger} 2>&1", check=False)[1]


@pytest.mark.parametrize("how, key, action, outcome", [
    ("poweroff", "on_poweroff", "destroy", "gone"),
    pytest.param("poweroff", "on_poweroff", "preserve", "s--", marks=pytest.mark.soak),
    pytest.param("poweroff", "on_poweroff", "restart", "again", marks=pytest.mark.soak),
    ("reboot", "on_reboot", "restart", "again"),
    pytest.param("reboot", "on_reboot", "destroy", "gone", marks=pytest.mark.soak),
    pytest.param("crash", "on_crash", "destroy", "gone", marks=pytest.mark.soak),
    ("crash", "on_crash", "preserve", "sc-"),
    pytest.param("crash", "on_crash", "restart", "again", marks=pytest.mark.soak),
    ("crash", "on_crash", "rename-restart", "renamed"),
    pytest.param("fault", "on_crash", "preserve", "sc-", marks=pytest.mark.soak),
    ("watchdog", "on_watchdog", "preserve", "sw-"),
    pytest.param("watchdog", "on_watchdog", "destroy", "gone", marks=pytest.mark.soak),
])
def test_actions(dom0, how, key, action, outcome):
    """What follows the end of a guest, by its configuration; the others do not notice."""
    number = dom0.newest()
    dom0.neighbour("ends", "end", extra=how, **{key: action})
    if outcome == "gone":
        dom0.wait_gone("ends")
    elif outcome == "again":
        dom0.wait_newer(number + 2)
    elif outcome == "renamed":
        dom0.wait_until("xl list | grep -q '^ends-[0-9TZ]* .*sc-'", 60)
        dom0.wait_until("xl domid ends", 60)
    else:
        dom0.wait_until(f"xl list ends | grep -q -e '{outcome}'")
    assert dom0.guest("one", "echo alive") == "alive"


def test_crashed_guest_is_replaced(dom0):
    """A Linux guest that panics is started again, fresh, and its neighbour goes on."""
    dom0.create("ends", on_crash="restart", extra="console=hvc0 tiny.io sysrq_always_enabled panic=1")
    dom0.wait_guest("ends")
    number = dom0.newest()
    dom0.guest("ends", "touch /tmp/was-here")
    dom0.run("xl sysrq ends c")
    dom0.wait_newer(number)
    dom0.wait_guest("ends")
    assert dom0.guest("ends", "ls /tmp") == ""
    assert dom0.guest("one", "echo alive") == "alive"


def test_core_of_a_crashed_guest(dom0):
    """on_crash="coredump-destroy" keeps what the guest had in memory when its kernel panicked."""
    dom0.create("ends", on_crash="coredump-destroy")
    dom0.wait_guest("ends")
    dom0.run("xl sysrq ends c")
    dom0.wait_gone("ends", 120)
    assert int(dom0.run("cat /var/lib/xen/dump/ends* | wc -c")) > 120 << 20
    dom0.run("grep -q -a 'Kernel panic' /var/lib/xen/dump/ends*; rm /var/lib/xen/dump/ends*", 120)
