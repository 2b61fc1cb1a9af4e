"""What the VMM tells a person: debug keys, the end of the machine with the state of all CPUs, the watchdog."""

import json
import re
import socket
import subprocess

import pytest

from machine import BUILD, HV_ARGS, VMLINUX, LOGS

INPUT_KEY = "\x01" * 3

# What some line of each key's answer is like.
ANSWERS = {
    "h": [r"key 'a'", r"key 'e'", r"key 'g'", r"key 'i'", r"key 'm'", r"key 'q'", r"key 'r'", r"key 't'", r"key 'M'",
          r"key 'C'", r"key 'd'"],
    "q": [r"d0: running", r"vCPU 3 on CPU"],
    "r": [r"CPU3: ", r"Domain 0: weight"],
    "m": [r"\d+ pages: \d+ free, \d+ of domains, \d+ of the VMM"],
    "a": [r"CPU0: \d+ timers", r"CPU3: \d+ timers", r"in +-?\d+ us: [a-z_]+\+0/0x"],
    "e": [r"d0: \d+ open ports, FIFO", r"port \d+: VIRQ \d+, vCPU 0", r"port \d+: IPI, vCPU 1", r"\.\.\. and \d+ more"],
    "i": [r"IRQ +\d+: IO-APIC"],
    "g": [r"d0: version \d"],
    "t": [r"TSC \d+ kHz", r"d0: TSC mode"],
    "d": [r"CPU 3: (idle|d0v)"],
    "M": [r"audit of \d+ frames: 0 differences"],
}


def press(machine, keys):
    machine.process.send(INPUT_KEY)
    machine.wait_for(r"Console input goes to the VMM[^\n]*\n")
    machine.process.send(keys)


def overhead(total, free, domains):
    """Checks what the VMM keeps for itself; all in bytes."""
    own = total - free - domains
    assert own < 0.015 * total + (8 << 20), f"the VMM has {own / (1 << 20):.1f} MiB of {total / (1 << 20):.0f}"


def check_memory(said, gibibytes):
    """By what the key m says."""
    numbers = re.search(r"(\d+) pages: (\d+) free, (\d+) of domains", said).groups()
    total, free, domains = (int(number) << 12 for number in numbers)
    assert gibibytes << 30 > total > (gibibytes << 30) - (4 << 20)
    overhead(total, free, domains)


def snapshots(log):
    """Of the end of the machine: the CPUs whose registers are shown, in order. Each block is whole and alone."""
    lines = [line for line in log[re.search(r"PANIC", log).start():].splitlines() if line]
    assert all(i == 0 or line.startswith("(HV) ") for i, line in enumerate(lines)), "lines of others in between"
    shown = []
    for i, line in enumerate(lines):
        found = re.match(r"\(HV\) CPU (\d+), vector \d+, error code \S+, (VMM|guest)", line)
        if not found:
            continue
        shown.append(int(found[1]))
        block = ["RIP", "RSP", "RAX", "RDX", "RBP", "R10", "R13"] + (["Call trace:"] if found[2] == "VMM" else [])
        for name, text in zip(block, lines[i + 1:]):
            assert text.startswith(f"(HV) {name}"), f"in the block of CPU {found[1]}: {text}"
    return shown


def ring(monitor, name):
    """The console ring as it lies in memory: what somebody who has only a dump of the machine's memory finds."""
    symbols = subprocess.run(["nm", "-S", str(BUILD / "hospes-syms")], check=True, capture_output=True, text=True).stdout
    address, size = re.search(r"^([0-9a-f]+) ([0-9a-f]+) . early_ring$", symbols, re.M).groups()
    saved = LOGS / f"{name}.ring"
    commands = [{"execute": "qmp_capabilities"},
                {"execute": "pmemsave", "arguments": {
                    "val": int(address, 16) - 0xffff820000000000, "size": int(size, 16), "filename": str(saved)}}]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(monitor))
        answers = connection.makefile()
        json.loads(answers.readline())
        for command in commands:
            connection.sendall(json.dumps(command).encode())
            answer = next(answer for answer in map(json.loads, answers) if "event" not in answer)
            assert "return" in answer, answer
    return saved.read_bytes().decode("latin-1") * 2  # a line may go on at the beginning


def test_keys_and_watchdog(start, tmp_path):
    """Every key answers while dom0 goes on; then a CPU hangs, the watchdog ends the machine, and each CPU is shown."""
    path = tmp_path / "monitor"
    machine = start(cpus=4, kernel=VMLINUX, args="console=hvc0 earlyprintk=xen",
                    hv_args=HV_ARGS + " watchdog watchdog_timeout=4 noreboot",
                    options=["-qmp", f"unix:{path},server=on,wait=off"])
    machine.wait_for_shell()
    assert [line for line in machine.vmm_lines() if "Watchdog: 4 s, by NMI" in line]
    before = machine.vmm_lines()
    press(machine, "".join(ANSWERS))
    machine.wait_for(r"audit of \d+ frames: 0 differences\r*\n", 120)
    machine.process.send(INPUT_KEY)
    machine.run("true")
    said = "\n".join(machine.vmm_lines()[len(before):])
    for key, patterns in ANSWERS.items():
        for pattern in patterns:
            assert re.search(pattern, said), f"key {key} does not say {pattern!r}"
    check_memory(said, 2)
    machine.expect_complaints = True
    press(machine, "L")
    machine.wait_for(r"PANIC on CPU 0: watchdog: CPU 3 has taken no timer tick for 4 s", 60)
    machine.wait_for(r"The machine is halted", 60)
    log = machine.log()
    assert sorted(snapshots(log)) == [0, 1, 2, 3]
    assert re.search(r"\(HV\) CPU 3, vector 2.*\n\(HV\) RIP \S+ hang\+", log), "where CPU 3 hangs is not shown"
    kept = ring(path, machine.name)
    end = [line for line in log[log.index("PANIC on CPU"):].splitlines() if line.startswith("(HV)")]
    for line in end:
        assert line in kept, f"not in the console ring: {line}"


@pytest.mark.soak
@pytest.mark.parametrize("cpus, options, method", [
    (1, "pc", "NMI"),
    (2, "q35", "NMI"),
    (4, "pc,pit=off", "the CPUs of each other"),
])
def test_watchdog(start, cpus, options, method):
    """With one CPU, on another chip set, and where the timer gives no NMI."""
    machine = start(cpus=cpus, board=options, kernel=VMLINUX, args="console=hvc0 earlyprintk=xen",
                    hv_args=HV_ARGS + " watchdog watchdog_timeout=3")
    machine.wait_for_shell()
    assert [line for line in machine.vmm_lines() if f"Watchdog: 3 s, by {method}" in line]
    machine.run("i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done", 120)
    machine.expect_complaints = True
    press(machine, "L")
    machine.wait_for(rf"PANIC on CPU \d: watchdog: CPU {cpus - 1} has taken no timer tick for 3 s", 60)
    machine.wait_for_exit(60)
    assert sorted(set(snapshots(machine.log()))) == sorted(set(range(cpus)) - (
        set() if method == "NMI" else {int(re.search(r"PANIC on CPU (\d)", machine.log())[1])}))


def test_memory_of_the_vmm_with_guests(dom0):
    """What the tools tell: all memory but what is free and what domains have."""
    info = dict(re.findall(r"(?m)^(total_memory|free_memory)\s*: (\d+)", dom0.run("xl info")))
    domains = sum(int(line.split()[2]) for line in dom0.run("xl list").splitlines()[1:])
    overhead(int(info["total_memory"]) << 20, int(info["free_memory"]) << 20, domains << 20)


@pytest.mark.soak
@pytest.mark.parametrize("gibibytes, extra", [(1, ""), (2, ""), (4, ""), (16, "dom0_mem=1G"), (16, "dom0_mem=14G")])
def test_memory_of_the_vmm(start, gibibytes, extra):
    machine = start(cpus=4, mem=f"{gibibytes}G", kernel=VMLINUX, hv_args=f"{HV_ARGS} {extra}")
    machine.wait_for_shell()
    press(machine, "m")
    check_memory(machine.wait_for(r"\d+ pages: [^\n]*\n").group(0), gibibytes)


@pytest.mark.soak
def test_crash_key(start):
    machine = start(cpus=4, kernel=VMLINUX, args="console=hvc0 earlyprintk=xen")
    machine.wait_for_shell()
    machine.expect_complaints = True
    press(machine, "C")
    machine.wait_for(r"PANIC on CPU (\d): debug key 'C'", 60)
    here = int(machine.process.match.group(1))
    machine.wait_for_exit(60)
    assert sorted(snapshots(machine.log()) + [here]) == [0, 1, 2, 3]
