"""An emulated machine under test: starts it, talks to its serial line, and says what went wrong.

Everything the serial line says is kept in build/logs/NAME.log. Every wait has a limit; the limits are there to end a
hopeless wait, not to judge speed, and are multiplied by SYSTEM_SLOWNESS on slow hosts.
"""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pexpect

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
LOGS = BUILD / "logs"
HYPERVISOR = Path(os.environ.get("HYPERVISOR") or BUILD / "hospes").resolve()
SLOWNESS = float(os.environ.get("SYSTEM_SLOWNESS", "1"))

VMLINUZ = BUILD / "vmlinuz"
VMLINUX = BUILD / "vmlinux"
INITRD = BUILD / "initrd"
INITRD_STOCK = BUILD / "initrd-stock"
INITRD_TINY = BUILD / "initrd-tiny.cpio.gz"
DISK = BUILD / "dom0.img"

# Reboot would hide how a run ended; tests of rebooting leave this out.
HV_ARGS = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all"

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")
VMM_LINE = re.compile(r"\((?:HV|XEN)\) ")
VMM_COMPLAINT = re.compile(r"\((?:HV|XEN)\) .*(WARN|ASSERT|PANIC|Panic|BUG|FATAL)")
KERNEL_COMPLAINT = re.compile(
    r"(BUG: |Oops: |Kernel panic|WARNING: CPU|general protection fault|rcu: INFO|soft lockup|hung_task|"
    r"segfault at|I/O error|irq \d+: nobody cared|Call Trace:|xen_mc_flush|multicall\(s\) failed)"
)


class Failure(AssertionError):
    """What was seen is not what should be."""


def die_with_parent():
    """In QEMU's process: whatever ends the tests ends it too (prctl(2): PR_SET_PDEATHSIG is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def programs_disk():
    """An image for a disk: tests/system/programs as an archive; "tar xf /dev/vdb" unpacks it."""
    path = LOGS / "programs.tar"
    LOGS.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        archive.add(ROOT / "tests/system/programs", arcname=".")
    return path


INTERRUPT_FLAG = 1 << 9


class Machine:
    """One QEMU. Use as a context manager: leaving it ends QEMU and judges the log."""

    def __init__(self, name, *, cpus=1, mem="2G", kernel=VMLINUZ, initrd=INITRD_TINY, args="console=hvc0",
                 hv_args=HV_ARGS, disk=None, net=None, cpu=None, hypervisor=HYPERVISOR, no_reboot=True, options=(),
                 iso=None, firmware="bios", board="pc", expect_complaints=False):
        LOGS.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log_path = LOGS / f"{name}.log"
        self.expect_complaints = expect_complaints
        self.overlay = None
        environment = {
            "PATH": os.environ["PATH"],
            "BUILD": str(BUILD),
            "HYPERVISOR": str(hypervisor),
            "KERNEL": str(kernel or "none"),
            "INITRD": str(initrd or "none"),
            "KERNEL_ARGS": args,
            "HV_ARGS": hv_args,
            "CPUS": str(cpus),
            "MEM": mem,
            "NET": "none" if net is None else net,
            "DISK": "none",
            "SERIAL": "stdio",
            "FIRMWARE": firmware,
            "BOARD": board,
            "ISO": str(iso or ""),
        }
        for variable in ("QEMU", "QEMU_CPU", "QEMU_ACCEL"):
            if os.environ.get(variable):
                environment[variable] = os.environ[variable]
        if cpu:
            environment["QEMU_CPU"] = cpu
        if disk:
            # The image itself stays as it was built.
            self.overlay = LOGS / f"{name}.qcow2"
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(disk),
                            str(self.overlay)], check=True)
            environment.update(DISK=str(self.overlay), DISK_FORMAT="qcow2")
        # Names of sockets are short.
        self.sockets = tempfile.TemporaryDirectory(prefix="machine-")
        self.monitor_path = f"{self.sockets.name}/monitor"
        options = [*options, "-qmp", f"unix:{self.monitor_path},server=on,wait=off"]
        self.log_file = open(self.log_path, "w", encoding="utf-8", newline="")
        self.process = pexpect.spawn(
            str(ROOT / "host/run-qemu"), (["-no-reboot"] if no_reboot else []) + list(options),
            env=environment, cwd=str(ROOT), encoding="utf-8", codec_errors="replace", timeout=None,
            dimensions=(50, 500), echo=False, preexec_fn=die_with_parent)
        self.process.logfile_read = self.log_file
        self.process.delaybeforesend = None
        self.serial = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind is None and not self.expect_complaints:
            self.check_log()

    def stop(self):
        """End QEMU if it still runs, and keep the rest of what it said."""
        if self.process.isalive():
            try:
                self.process.expect(pexpect.EOF, timeout=0.2)
            except (pexpect.TIMEOUT, pexpect.EOF):
                pass
        self.process.close(force=True)
        self.log_file.close()
        self.sockets.cleanup()
        if self.overlay:
            self.overlay.unlink(missing_ok=True)
            self.overlay = None

    # -- the log

    def log(self):
        """All that was said so far, without colours and carriage returns."""
        if not self.log_file.closed:
            self.log_file.flush()
        return ESCAPES.sub("", self.log_path.read_bytes().decode("utf-8", errors="replace"))

    def vmm_lines(self):
        return [line for line in self.log().splitlines() if VMM_LINE.search(line)]

    def check_log(self):
        """Neither the VMM nor dom0's kernel may have complained."""
        complaints = [line for line in self.log().splitlines()
                      if VMM_COMPLAINT.search(line) or KERNEL_COMPLAINT.search(line)]
        if complaints:
            raise Failure(f"complaints in {self.log_path}:\n" + "\n".join(complaints[:20]))

    def fail(self, what):
        tail = "\n".join(self.log().splitlines()[-40:])
        raise Failure(f"{what}\n--- end of {self.log_path}:\n{tail}")

    # -- the machine itself

    def monitor(self, command):
        """A command of QEMU's human monitor; returns what it said."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30 * SLOWNESS)
            connection.connect(self.monitor_path)
            with connection.makefile("rw") as lines:
                lines.readline()
                for request in ({"execute": "qmp_capabilities"},
                                {"execute": "human-monitor-command", "arguments": {"command-line": command}}):
                    lines.write(json.dumps(request) + "\n")
                    lines.flush()
                    answer = json.loads(lines.readline())
                    while "event" in answer:
                        answer = json.loads(lines.readline())
        if "error" in answer:
            raise Failure(f"monitor: {command}: {answer['error']}")
        return answer["return"]

    def audit_by_key(self):
        """The VMM's own check of all its reference counts, by its debug key."""
        self.process.send("\x01\x01\x01")
        self.wait_for(r"Console input goes to \S+", 30, "turn of the console")
        self.process.send("M")
        found = self.wait_for(r"audit of \d+ frames: (\d+) differences", 120, "audit").group(1)
        self.process.send("\x01\x01\x01")
        self.wait_for(r"Console input goes to dom0", 30, "turn of the console")
        # The first of these keys went to dom0's shell.
        self.process.send("\x15\n")
        if found != "0":
            self.fail(f"audit: {found} differences")

    # -- waiting

    def wait_for(self, pattern, limit=60, what=None):
        """Wait until the serial line has said a regular expression; returns the match."""
        try:
            self.process.expect(pattern, timeout=limit * SLOWNESS)
        except pexpect.TIMEOUT:
            self.fail(f"no {what or repr(pattern)} within {limit * SLOWNESS:.0f} s")
        except pexpect.EOF:
            self.fail(f"QEMU ended while waiting for {what or repr(pattern)}")
        return self.process.match

    def wait_for_exit(self, limit=60):
        """Wait until QEMU ends by itself (the guest switched off, or reset it with -no-reboot)."""
        try:
            self.process.expect(pexpect.EOF, timeout=limit * SLOWNESS)
        except pexpect.TIMEOUT:
            self.fail(f"QEMU still runs after {limit * SLOWNESS:.0f} s")
        self.process.close()
        return self.process.exitstatus

    def halted(self):
        """No CPU does anything any more: all wait for an interrupt that they do not take."""
        try:
            registers = self.monitor("info registers -a")
        except (OSError, ValueError):  # QEMU ends just now
            return False
        states = re.findall(r"[RE]FL=([0-9a-f]+).*?HLT=(\d)", registers, re.S)
        return bool(states) and all(halted == "1" and not int(flags, 16) & INTERRUPT_FLAG for flags, halted in states)

    def wait_for_end(self, limit=60, unless=None):
        """Wait until QEMU ends or the machine has halted for good; returns a match of `unless` if that comes first."""
        deadline = time.monotonic() + limit * SLOWNESS
        patterns = [pexpect.EOF, pexpect.TIMEOUT] + ([unless] if unless else [])
        while time.monotonic() < deadline:
            found = self.process.expect(patterns, timeout=1)
            if found == 2:
                return self.process.match
            if found == 0 or self.halted():
                return None
        self.fail(f"no end within {limit * SLOWNESS:.0f} s")
        return None

    # -- a shell

    def send(self, text):
        """Type, no faster than a console with a small input buffer can take. Nothing says that a character was lost, so
        keep it short: programs come on a disk of their own (see programs_disk)."""
        for start in range(0, len(text), 32):
            self.process.send(text[start:start + 32])
            time.sleep(0.04)

    def wait_for_shell(self, limit=150):
        """Wait for the first prompt and settle how the shell talks."""
        self.wait_for(r"(?:tiny|root@dom0:~)# ", limit, "shell prompt")
        self.send("dmesg -n 1; stty -echo; PS1=''; unset PROMPT_COMMAND\n")
        self.send("bind 'set enable-bracketed-paste off' 2>/dev/null\n")
        self.run("true", limit=60)

    def run(self, command, limit=60, check=True):
        """Run a shell command; returns its output, and fails if its status is not zero (unless check is False, then
        returns status and output). The hypervisor's own lines in between are left out."""
        self.serial += 1
        begin, end = f"<<{self.serial}<", f">{self.serial}>>"
        # Written so that an echo of the command line is no match.
        self.send(f"echo '<<'{self.serial}'<'; {command}\necho \">{self.serial}\"\">>$?.\"\n")
        self.wait_for(re.escape(begin) + r"\r*\n", limit, f"start of: {command}")
        self.wait_for(r"(?s)(.*?)" + re.escape(end) + r"(\d+)\.", limit, f"end of: {command}")
        text, status = self.process.match.group(1), int(self.process.match.group(2))
        lines = [line for line in ESCAPES.sub("", text).splitlines() if not VMM_LINE.search(line)]
        output = "\n".join(lines).strip()
        if not check:
            return status, output
        if status != 0:
            self.fail(f"status {status} of: {command}\n{output}")
        return output

    def read_file(self, path):
        return self.run(f"cat {path}")
