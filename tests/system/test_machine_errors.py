"""NMIs and machine checks, as the emulator's monitor raises them."""

import pytest

from machine import HV_ARGS, HYPERVISOR

ON_XEN = "xen" in HYPERVISOR.name
BANK = 9
# IA32_MCi_STATUS: valid, enabled, misc and address valid, a memory controller's error on an unspecified channel;
# uncorrected; context corrupt; signaled.
CORRECTED = 0x9C0000000000009F
UNCORRECTED, CORRUPT, SIGNALED = 1 << 61, 1 << 57, 1 << 56
ADDRESS = 0x12345000


def raise_error(machine, cpu, status, gstatus=0, everywhere=False):
    command = f"mce {'-b ' if everywhere else ''}{cpu} {BANK} {status:#x} {gstatus:#x} {ADDRESS:#x} 0x8c"
    assert machine.monitor(command) == ""


def count(machine, name):
    """Interrupts so far on a line of /proc/interrupts."""
    line = machine.run(f"grep -w {name} /proc/interrupts").split()
    return sum(int(word) for word in line[1:] if word.isdigit())


def one_crash(machine, everywhere):
    """One panic, with what the bank said, however many CPUs are interrupted."""
    raise_error(machine, 1, CORRECTED | UNCORRECTED | CORRUPT, gstatus=4, everywhere=everywhere)
    machine.wait_for(r"halted", 60)
    machine.wait_for_end()
    panics = [line for line in machine.vmm_lines() if "PANIC" in line or "Panic on" in line]
    assert len(panics) == 1, panics
    if not ON_XEN:
        assert "machine check on CPU 1" in panics[0]
        assert "bank 9: status 0xbe0000000000009f, address 0x12345000, misc 0x8c" in panics[0]


def test_errors(start):
    """An NMI of the machine and machine checks that leave everything intact are told to dom0, which goes on; another one
    ends the machine."""
    machine = start(cpus=2, hv_args=HV_ARGS + " noreboot", expect_complaints=True)
    machine.wait_for_shell()
    machine.monitor("nmi")
    machine.wait_for(r"NMI received for unknown reason", 60)
    before = count(machine, "mce")
    raise_error(machine, 1, CORRECTED)
    if not ON_XEN:
        machine.wait_for(r"\(HV\) Corrected machine check on CPU 1, bank 9: status 0x9c0000000000009f, "
                         r"address 0x12345000, misc 0x8c", 60)
    for _ in range(60):
        if count(machine, "mce") > before:
            break
        machine.run("sleep 0.5")
    else:
        machine.fail("no event for dom0")
    if not ON_XEN:
        # Restart is possible, and nothing has used the data.
        raise_error(machine, 0, CORRECTED | UNCORRECTED | SIGNALED, gstatus=5)
        machine.wait_for(r"\(HV\) Uncorrected, harmless machine check on CPU 0, bank 9", 60)
        machine.audit_by_key()
    assert machine.run("echo alive") == "alive"
    machine.check_log()
    one_crash(machine, everywhere=True)


@pytest.mark.soak
def test_fatal_machine_check_of_one_cpu(start):
    machine = start(cpus=2, hv_args=HV_ARGS + " noreboot", expect_complaints=True)
    machine.wait_for_shell()
    one_crash(machine, everywhere=False)


@pytest.mark.soak
@pytest.mark.parametrize("action", ["ignore", "fatal"])
def test_nmi_option(start, action):
    machine = start(hv_args=f"{HV_ARGS} nmi={action} noreboot", expect_complaints=action == "fatal")
    machine.wait_for_shell()
    machine.monitor("nmi")
    if action == "fatal":
        machine.wait_for(r"PANIC on CPU 0: NMI on CPU 0|FATAL TRAP: vec 2", 60)
        machine.wait_for(r"halted", 60)
        return
    assert machine.run("echo alive") == "alive"
    assert machine.run("dmesg | grep -c 'NMI received'; true") == "0"
