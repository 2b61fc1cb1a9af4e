"""Boots a tiny guest as dom0 of a hypervisor in QEMU and reads its lines."""

import os
import pathlib
import re
import selectors
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ORACLE_DIR = ROOT / "tests" / "oracle"
ORACLE_XEN = ROOT / "build" / "oracle" / "xen"

# Every seed of the fuzzer is expected to print the same; FUZZ_SEEDS=N runs more of them.
FUZZ_SEEDS = range(1, 1 + int(os.environ.get("FUZZ_SEEDS") or 4))

# Settings that differ from the usual 1 CPU, 512 MiB, no argument and QEMU as the loader: "image" names the guest to boot, "record" the
# recorded answers, "qemu" has options for the emulator, "disks" the size in MiB and the signature in the master boot record, by device.
SETTINGS = {
    "start": {"args": "alpha beta=2"},
    "start-page": {"args": "alpha beta=2"},
    "start-p2m": {"args": "alpha beta=2"},
    "context": {"hv": "dom0_max_vcpus=2"},
    "smp": {"cpus": 2, "timeout": 180},
    "iobreak": {"hv": "watchdog"},
    "failsafe": {"hv": "dom0_max_vcpus=2"},
    "fpu": {"hv": "dom0_max_vcpus=2"},
    "xsave": {"hv": "dom0_max_vcpus=2", "cpu": "max,-smap"},
    "pair_race": {"cpus": 2, "timeout": 180},
    # The second domain runs beside dom0.
    **{f"{pair}-smp": {"image": pair, "record": pair, "cpus": 2, "timeout": 180}
       for pair in ("pair_events", "pair_grants", "pair_hostile", "pair_lifecycle", "pair_transfer")},
    "vcpustate-xsave": {"image": "vcpustate", "cpu": "max,-smap"},
    "policy-xsave": {"image": "policy", "cpu": "max,-smap"},
    "fuzz": {"args": "seed=0 rounds=5000"},
    **{f"fuzz-{seed}": {"image": "fuzz", "record": "fuzz", "args": f"seed={seed} rounds=20000", "timeout": 180}
       for seed in FUZZ_SEEDS},
    **{f"fuzz-smp-{seed}": {"image": "fuzz", "record": "fuzz", "args": f"seed={seed} rounds=3000", "cpus": 2,
                            "timeout": 300} for seed in FUZZ_SEEDS},
    # The machine's own firmware and GRUB load it.
    "efi": {"firmware": "efi", "timeout": 180},
    "efi-bios": {"image": "efi"},
    # Disks for the BIOS to tell of: on three controllers, one with no master boot record; and a monitor.
    "bios": {"disks": {"ide-hd": (64, 0x12345678), "virtio-blk-pci": (8, None), "nvme,serial=3": (9000, 0xa1b2c3d4)},
             "qemu": ["-device", "VGA"]},
    "bios-off": {"image": "bios", "hv": "edd=off edid=no", "disks": {"ide-hd": (64, 0x12345678)}, "qemu": ["-device", "VGA"]},
    "bios-skipmbr": {"image": "bios", "hv": "edd=skipmbr", "disks": {"ide-hd": (64, 0x12345678)}},
    # Devices that guests/pci.c expects at these places, on a board with memory-mapped configuration space.
    "pci": {"qemu": ["-machine", "q35", "-device", "e1000e,addr=4,romfile=", "-device",
                     "nec-usb-xhci,addr=5,msi=on,msix=on", "-device", "pci-testdev,addr=6"]},
    **{f"crash-{case:02}": {"image": "crash", "args": f"case={case}"} for case in range(15)},
}
# What a CPU open to Meltdown, MDS and the like makes the VMM do, forced: mm/xpti.h, cpu/mitigate.h.
HARDENED = "xpti=1 spec-ctrl=rsb,verw"
# Split tables take no linear entries of level 4, which this one looks at.
HARDENED_UNSPLIT = {"mmu": "spec-ctrl=rsb,verw"}
# Those that `make test` runs so; `make soak-guests` runs all.
HARDENED_NAMES = ("exceptions", "smp")
# The same answers where each look for a reason to stop, or each k-th one, finds one (debug builds).
PREEMPTED = dict.fromkeys(("batch", "domctl", "events", "grants", "memops", "memory", "mmu", "mmuext", "pair_grants", "pair_lifecycle"),
                          (1,))
if os.environ.get("SOAK"):
    PREEMPTED = {path.stem: (1, 2, 3, 7) for path in (ROOT / "guests").glob("*.c")
                 if path.stem not in ("crash", "efi", "fuzz")}
SETTINGS |= {f"{name}-preempted-{k}": {**SETTINGS.get(name, {}), "image": name, "record": name, "timeout": 240,
                                       "hv": f"{SETTINGS.get(name, {}).get('hv', '')} preempt_every={k}"}
             for name, steps in PREEMPTED.items() for k in steps}
# Guests that run only by the names above.
TEMPLATES = {"crash"}

OVMF = pathlib.Path("/usr/share/OVMF")
HV_OPTIONS = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=128M"
# Lines of the hypervisor that no guest may cause.
COMPLAINT = re.compile(r"\(HV\).*(WARN|ASSERT|PANIC|BUG|panic|assertion)")
# The guest waits for an audit: input to the VMM and its key; after the answer input back to dom0, and go on.
AUDIT = re.compile(r"^AUDIT\b", re.M)
AUDIT_KEYS = b"\x01\x01\x01M"
GO_ON_KEYS = b"\x01\x01\x01c"
AUDIT_RESULT = re.compile(r"audit of \d+ frames: (\d+) differences")
END = re.compile(r"^DONE\b", re.M)
CRASHED = re.compile(r"(Hardware Dom0|Hardware domain|Domain 0).*crashed", re.I)
HALTED = re.compile(r"\((HV|XEN)\).*(halt|power)", re.I)


def names():
    """All guests that exist as sources or variants, restricted by GUEST=a,b."""
    found = {p.stem for p in (ROOT / "guests").glob("*.c")} - TEMPLATES | set(SETTINGS)
    wanted = [n for n in os.environ.get("GUEST", "").replace(",", " ").split() if n]
    return sorted(n for n in found if not wanted or n in wanted)


def hardened_names():
    """Of these, the ones to run with HARDENED."""
    if os.environ.get("SOAK"):
        return [n for n in names() if not n.startswith("fuzz-") and "-preempted-" not in n and "firmware" not in SETTINGS.get(n, {})]
    return [n for n in names() if n in HARDENED_NAMES]


def make_iso(hypervisor, name, image, options="", arguments=""):
    """A CD that starts the guest at once."""
    path = ROOT / "build" / "results" / f"guest-{name}.iso"
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([ROOT / "host/mkiso", path], check=True, cwd=ROOT, env={
        "PATH": os.environ["PATH"], "BUILD": "build", "HYPERVISOR": str(hypervisor), "KERNEL": str(image),
        "INITRD": "none", "HV_ARGS": f"{HV_OPTIONS} {options}", "ONLY": "shell", "MENU_TIMEOUT": "0",
        "KERNEL_ARGS": arguments})
    return path


def disk_options(name, disks):
    """Options of QEMU for empty disks, in this order."""
    options = []
    for number, (device, (mebibytes, signature)) in enumerate(disks.items()):
        path = ROOT / "build" / "results" / f"guest-{name}-{number}.img"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            file.truncate(mebibytes << 20)
            if signature is not None:
                file.seek(0x1b8)
                file.write(signature.to_bytes(4, "little"))
                file.seek(510)
                file.write(b"\x55\xaa")
        options += ["-drive", f"if=none,id=disk{number},format=raw,file={path}", "-device", f"{device},drive=disk{number}"]
    return options


def qemu_command(hypervisor, name, extra=""):
    settings = SETTINGS.get(name, {})
    image = ROOT / "build" / "guests" / settings.get("image", name)
    if settings.get("firmware") == "efi":
        load = ["-cdrom", str(make_iso(hypervisor, name, image)),
                "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE.fd",
                "-drive", f"if=pflash,format=raw,snapshot=on,file={OVMF}/OVMF_VARS.fd"]
    else:
        load = ["-kernel", str(hypervisor), "-initrd", f"{image} {settings.get('args', '')}",
                "-append", " ".join([HV_OPTIONS, settings.get("hv", ""), extra])]
    return [
        os.environ.get("QEMU") or "qemu-system-x86_64", *load,
        "-m", "512", "-smp", str(settings.get("cpus", 1)),
        "-cpu", settings.get("cpu") or os.environ.get("QEMU_CPU") or "max,-smap,-xsave",
        "-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio", *settings.get("qemu", []),
        *disk_options(name, settings.get("disks", {})),
    ]


def serve_audit(write, text, state):
    """state counts what was sent: keys for an audit, keys to go on, and so forth."""
    asked = len(AUDIT.findall(text))
    answered = len(AUDIT_RESULT.findall(text)) if "(HV)" in text else asked
    if state % 2 == 0 and asked > state // 2:
        write(AUDIT_KEYS)
        state += 1
    if state % 2 == 1 and answered > state // 2:
        write(GO_ON_KEYS)
        state += 1
    return state


def boot(hypervisor, name, extra=""):
    """Returns the serial output.  Ends when QEMU does, some seconds after DONE, or at the time limit."""
    limit = float(os.environ.get("GUEST_TIMEOUT", SETTINGS.get(name, {}).get("timeout", 120)))
    process = subprocess.Popen(qemu_command(hypervisor, name, extra), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, bufsize=0)
    return converse(process, process.stdout.fileno(), process.stdin.write, limit)


def converse(process, serial, write, limit):
    """What comes from the file descriptor `serial`, answered where the guest asks for it, until the process may end."""
    selector = selectors.DefaultSelector()
    selector.register(serial, selectors.EVENT_READ)
    deadline, output, done, audits = time.monotonic() + limit, b"", False, 0
    try:
        while time.monotonic() < deadline:
            if not selector.select(min(1.0, max(0.0, deadline - time.monotonic()))):
                if process.poll() is not None:
                    break
                continue
            chunk = os.read(serial, 65536)
            if not chunk:
                break
            output += chunk
            text = output.decode("latin-1")
            audits = serve_audit(write, text, audits)
            if not done and END.search(text):
                done, deadline = True, min(deadline, time.monotonic() + 5)
            if not done and CRASHED.search(text):
                break
            if done and HALTED.search(text, END.search(text).end()):
                break
    finally:
        process.kill()
        process.wait()
    return output.decode("latin-1").replace("\r", "")


def test_lines(output):
    """The TEST lines, without what the console may have put in front of them."""
    lines = [m.group(0) for m in re.finditer(r"TEST [^\n]*|FAILED [^\n]*|UNEXPECTED [^\n]*", output)]
    return lines + (["TEST end: crashed"] if crashed(output) else [])


def audit_problems(output):
    """Audits that found something, or were not made, on a hypervisor that has them."""
    results = AUDIT_RESULT.findall(output)
    problems = [f"audit: {r} differences" for r in results if r != "0"]
    if "(HV)" in output and len(results) < len(AUDIT.findall(output)):
        problems.append(f"{len(AUDIT.findall(output))} audits wanted, {len(results)} made")
    return problems


def crashed(output):
    """The hypervisor ended the guest."""
    return not END.search(output) and CRASHED.search(output) is not None
