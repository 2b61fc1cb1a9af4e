"""What cannot work is named in one clear line, with a defined end: never a fault, never silence."""

import re

import pytest

from machine import BUILD, HV_ARGS, HYPERVISOR, VMLINUX, VMLINUZ, VMM_LINE, Failure

# A fault of the VMM's own, in its words or in Xen's.
FAULT = re.compile(r"TRAP|\btrap\b|[Pp]age fault|#PF|#GP|#UD|[Uu]nhandled|ASSERT|BUG\b")

ON_XEN = "xen" in HYPERVISOR.name

# A refusal is no fault of the VMM's: it shows no frames of its stack.
TRACE = re.compile(r"\(HV\) Call trace:")

# The VMM tells its whole command line; that names no fault.
ECHO = re.compile(r"ommand line: .*console=")

# Where Debian's Xen itself ends in a fault, the scenario is for ours only.
xen_faults = pytest.mark.skipif(ON_XEN, reason="Xen 4.17 faults on this")


def refusal(machine, pattern):
    """The machine must say one thing that matches, and then end or halt; returns the line."""
    machine.expect_complaints = True
    machine.wait_for_silence(quiet=30, limit=150)
    log = machine.log()
    faults = [line for line in log.splitlines() if VMM_LINE.search(line) and FAULT.search(line)]
    if faults:
        machine.fail("the VMM faulted: " + faults[0])
    traced = [line for line in log.splitlines() if TRACE.search(line)]
    if traced:
        machine.fail("the VMM shows a call trace: " + traced[0])
    named = [line for line in log.splitlines() if re.search(pattern, line, re.I) and not ECHO.search(line)]
    if not named:
        machine.fail(f"no line says what is wrong: nothing like {pattern!r}")
    if "Linux version" in log:
        machine.fail("dom0 started")
    return named[0]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Files that are no good as a kernel, by name."""
    directory = tmp_path_factory.mktemp("spoilt")
    packed, unpacked = VMLINUZ.read_bytes(), VMLINUX.read_bytes()
    middle = len(packed) // 2
    contents = {
        "empty": b"",
        "text": b"hello\n",
        "zeros": bytes(1 << 20),
        "elf-header-only": unpacked[:64],
        "packed-truncated": packed[:middle],
        "packed-header-only": packed[:2048],
        "packed-corrupt": packed[:middle] + b"X" * 16 + packed[middle + 16:],
        "unpacked-truncated": unpacked[:20_000_000],
        # A static program for Linux: a fine ELF file, but no kernel for Xen.
        "program": (BUILD / "busybox").read_bytes(),
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return directory


def test_no_kernel(start):
    refusal(start(kernel=None), r"kernel.*(not specified|missing|not given)|no (dom0 |domain 0 )?kernel|no modules?")


@pytest.mark.parametrize("name, pattern", [
    pytest.param("empty", r"kernel.*(empty|not|too (short|small))|not an? ", marks=xen_faults),
    ("text", r"too short|not an? (ELF|known|Linux|kernel)|not a .*image|unknown|unrecogni[sz]ed"),
    ("zeros", r"not an? (ELF|known|Linux|kernel)|not a .*image|unknown|unrecogni[sz]ed"),
    ("elf-header-only", r"ELF|truncated|too short"),
    pytest.param("packed-truncated", r"truncated|beyond|corrupt|too short|size", marks=xen_faults),
    pytest.param("packed-header-only", r"truncated|beyond|corrupt|too short|size", marks=xen_faults),
    ("packed-corrupt", r"corrupt|damaged|decompress|unpack|xz"),
    ("unpacked-truncated", r"truncated|beyond|overflow|ELF|too short"),
    ("program", r"no Xen|note|Will only load images built for"),
], ids=["empty", "text", "zeros", "elf-header-only", "packed-truncated", "packed-header-only", "packed-corrupt",
        "unpacked-truncated", "program"])
def test_bad_kernel(start, spoilt, name, pattern):
    refusal(start(kernel=spoilt / name), pattern)


@xen_faults
def test_no_acpi(start):
    """Firmware without tables: the VMM finds no interrupt controllers and says so."""
    refusal(start(board="pc,acpi=off"), r"IO-APIC|RSDP")


def test_machine_too_small(start):
    """The kernel needs more memory than the machine has."""
    refusal(start(kernel=VMLINUX, mem="96M", initrd=None), r"memory|room|space")


def test_dom0_memory_too_small(start):
    refusal(start(hv_args=HV_ARGS + " dom0_mem=16M"), r"memory|room|space|Domain 0 allocation|construct")


@pytest.mark.parametrize("option", [
    "dom0_mem=banana", "dom0_max_vcpus=lots", "loglvl=loud", "nosuchoption=1", "noreboot=perhaps",
])
def test_bad_option(start, option):
    """A bad option is named; the machine comes up with the option's default."""
    machine = start(hv_args=f"{HV_ARGS} {option}")
    machine.wait_for_shell()
    if ON_XEN:
        return  # Debian's build says nothing.
    name = option.split("=")[0]
    named = [line for line in machine.vmm_lines() if name in line and not ECHO.search(line)
             and re.search(r"invalid|unknown|bad|ignored|not", line, re.I)]
    assert len(named) == 1, f"lines about {option}: {named}"


def test_cpu_without_long_mode(start):
    refusal(start(cpu="max,-smap,-xsave,-lm"), r"long mode|64-bit")


@pytest.mark.parametrize("feature", ["nx", "fxsr", "sse2", "apic", "tsc", "syscall", "pse", "cx8", "msr", "pge"])
@xen_faults
def test_cpu_without_feature(start, feature):
    """Either the VMM does without, and dom0 reaches its shell, or it says what is missing."""
    machine = start(cpu=f"max,-smap,-xsave,-{feature}")
    names = {"nx": r"\bNX|no-execute|XD\b", "apic": "APIC", "fxsr": "FXSR|FXSAVE", "pse": "PSE|large page"}
    missing = rf"(?i)({names.get(feature, feature)}).*(missing|not|lack|need|require)|" \
              rf"(?i:missing|lack|need|require|no )[^\n]*({names.get(feature, feature)})"
    try:
        machine.wait_for(r"tiny# ", 60)
    except Failure:
        refusal(machine, missing)


@pytest.mark.parametrize("feature", ["fsgsbase", "smep", "umip", "pdpe1gb", "pcid,-invpcid", "rdtscp", "sse4.2"])
@pytest.mark.soak
def test_cpu_without_optional_feature(start, feature):
    machine = start(cpu=f"max,-smap,-xsave,-{feature}")
    machine.wait_for_shell()


def test_corrupt_initrd(start, tmp_path):
    """A bad initial RAM disk is the kernel's to refuse; the VMM says that its hardware domain is gone and ends."""
    bad = tmp_path / "initrd"
    bad.write_bytes(b"not a cpio archive" * 1000)
    machine = start(initrd=bad, args="console=hvc0 panic=1")
    machine.expect_complaints = True
    machine.wait_for(r"Kernel panic|Unable to mount root|VFS: Cannot open root", 60)
    machine.wait_for_exit(60)
