"""What cannot work is named in one clear line, with a defined end: never a fault, never silence."""

import re

import pytest

from machine import BUILD, HV_ARGS, HYPERVISOR, INITRD_TINY, VMLINUX, VMLINUZ, VMM_LINE

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
    machine.wait_for_end(limit=150)
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


BAD_OPTIONS = [
    "dom0_mem=banana", "dom0_max_vcpus=lots", "loglvl=loud", "nosuchoption=1", "noreboot=perhaps", "watchdog=maybe",
    "watchdog_timeout=soon", "conring_size=big", "conswitch=12", "sched_ratelimit_us=fast", "gnttab_max_frames=many",
    "maxcpus=few", "smep=2x", "clocksource=sundial", "com2=9600,9x9",
]


def test_bad_options(start):
    """A bad option is named in one line; the machine comes up with the option's default."""
    machine = start(hv_args=f"{HV_ARGS} {' '.join(BAD_OPTIONS)}")
    machine.wait_for_shell()
    if ON_XEN:
        return  # Debian's build says nothing.
    for option in BAD_OPTIONS:
        name = option.split("=")[0]
        named = [line for line in machine.vmm_lines() if re.search(rf"\b{name}\b", line) and not ECHO.search(line)
                 and re.search(r"invalid|unknown|bad|ignored|not|no such", line, re.I)]
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
    if not machine.wait_for_end(limit=150, unless=r"tiny# "):
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


# A loader of our own (shim/shim.c) spoils what firmware and loader hand over. What one line must say; whether the machine
# is refused (False), or dom0 comes up all the same, at least to the first lines of its kernel, which reads the tables itself.
# Those of REPRESENTATIVE run in make test.
SPOILT = {
    "acpi-root-checksum": (r"RSDT at \S+ bad checksum", False),
    "acpi-root-short": (r"RSDT at \S+ bad length 8", False),
    "acpi-madt-checksum": (r"APIC at \S+ bad checksum", False),
    "acpi-no-madt": (r"No usable IO-APIC", False),
    "acpi-length": (r"HPET at \S+ bad length 2147483647", "kernel"),
    "acpi-nowhere": (r"ACPI: .* at 0xd0000000: bad length", "kernel"),
    "acpi-zero-entry": (r"MADT: broken entry at offset \d+, the rest is ignored", True),
    "acpi-long-entry": (r"MADT: broken entry at offset \d+, the rest is ignored", True),
    "modules-overlap": (r"module 1 at \S+ overlaps module 0 at", False),
    "module-on-vmm": (r"module 1 at 0x200000-0x201000 overlaps the VMM's image", False),
    "module-nowhere": (r"module 1 at 0xd0000000-0xd0100000 is not in RAM", False),
    "module-in-hole": (r"module 1 at 0x9f000-0xa1000 is not in RAM", False),
    "module-backwards": (r"module 1 ends before it starts", False),
    "modules-many": (r"only the first 8 modules are used", True),
    "map-none": (r"memory map: the loader gave none", False),
    "map-empty": (r"memory map: the loader gave none", False),
    "map-shuffled": (r"memory map: \d+ entries overlap others, 1 wrap around", True),
    "map-no-ram": (r"too little memory: 0 MiB of RAM", False),
    "map-tiny-ram": (r"too little memory: \d+ MiB of RAM", False),
    "map-all-reserved-too": (r"too little memory: 0 MiB of RAM", False),
    "map-bad-size": (r"memory map: the loader gave an entry of 0 bytes", False),
    "map-many": (r"memory map: more than \d+ entries, the rest is not used", True),
    "map-sliced": (r"memory map: 40 entries overlap others, 0 wrap around", True),
}
REPRESENTATIVE = ["acpi-madt-checksum", "acpi-zero-entry", "modules-overlap", "module-on-vmm", "map-no-ram", "map-shuffled"]


@pytest.mark.parametrize("case", [
    case if case in REPRESENTATIVE else pytest.param(case, marks=pytest.mark.soak) for case in SPOILT])
def test_spoilt(start, case):
    pattern, comes_up = SPOILT[case]
    modules = ",".join(f"{module}".replace(",", ",,") for module in (
        HYPERVISOR, f"{VMLINUX} console=hvc0 earlyprintk=xen", INITRD_TINY))
    machine = start(hypervisor=BUILD / "shim", hv_args=f"case={case} -- {HV_ARGS}", options=["-initrd", modules])
    if not comes_up:
        refusal(machine, pattern)
        return
    machine.wait_for(r"Linux version")
    if comes_up != "kernel":
        machine.wait_for_shell()
    named = [line for line in machine.vmm_lines() if re.search(pattern, line)]
    assert len(named) == 1, f"lines like {pattern}: {named}"
    if case in ("map-shuffled", "map-sliced"):
        # The same memory, but for what was cut out of it.
        ram = int(re.search(r"(\d+) MiB RAM", "\n".join(machine.vmm_lines()))[1])
        assert 2045 <= ram <= 2047
