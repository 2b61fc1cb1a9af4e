"""Work in a dom0 that runs all of Debian: network, disk, compiler, time, CPUs, and the ways to end."""

import hashlib
import random
import re
import socket
import subprocess
import threading
import time

import pytest

from machine import DISK, INITRD, LOGS, Machine, programs_disk

ROOT_ARGS = "root=/dev/vda ro console=hvc0"
HOST = "10.0.2.2"  # what QEMU's user network calls 127.0.0.1 of the host
MEBIBYTE = 1 << 20
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


@pytest.fixture(scope="module")
def running():
    """Keeps one machine for the tests of this file."""
    kept = {}
    yield kept
    if kept.get("machine"):
        kept["machine"].stop()


def start_shared(count):
    machine = Machine(f"dom0-shared-{count}", cpus=2, disk=DISK, initrd=INITRD, args=ROOT_ARGS, net="",
                      options=["-drive", f"if=virtio,format=raw,readonly=on,file={programs_disk()}"])
    try:
        machine.wait_for_shell(240)
        machine.run("mkdir -p /tmp/p; cd /tmp/p; tar xf /dev/vdb")
        machine.run("for i in $(seq 60); do ip route | grep default && break; sleep 1; done", 120)
    except BaseException:
        machine.stop()
        raise
    return machine


@pytest.fixture
def dom0(running, request):
    """A 2-CPU machine with a shell, shared by the tests of this file until one of them fails."""
    if not running.get("machine"):
        running["count"] = running.get("count", 0) + 1
        # A VMM that cannot bring up dom0 has failed all of these tests; no need to wait for each.
        if running.get("hopeless", 0) >= 2:
            pytest.fail("dom0 did not come up twice before")
        running["hopeless"] = running.get("hopeless", 0) + 1
        running["machine"] = start_shared(running["count"])
        running["hopeless"] = 0
    machine = running.pop("machine")
    yield machine
    if not request.node.went_well:
        machine.stop()
        return
    try:
        machine.run("true", 30)
        machine.check_log()
    except BaseException:
        machine.stop()
        raise
    running["machine"] = machine


class Peer:
    """The other end of a TCP connection: sends what it is given and hashes what it receives."""

    def __init__(self, data=b""):
        self.data = data
        self.received = hashlib.sha256()
        self.count = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(300)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        connection.settimeout(300)
        with connection:
            if self.data:
                connection.sendall(self.data)
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                self.count += len(chunk)
                self.received.update(chunk)

    def finish(self):
        self.thread.join(300)
        self.listener.close()
        assert not self.thread.is_alive()
        return self.received.hexdigest()


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def test_ping(dom0):
    output = dom0.run(f"ping -c 5 -i 0.2 -W 5 {HOST}", 60)
    assert "5 received" in output


def test_tcp_into_dom0(dom0):
    data = noise(16 * MEBIBYTE, 1)
    peer = Peer(data)
    output = dom0.run(f"nc -d {HOST} {peer.port} | sha256sum", 300)
    peer.finish()
    assert output.split()[0] == hashlib.sha256(data).hexdigest()


def test_tcp_out_of_dom0(dom0):
    peer = Peer()
    dom0.run(f"dd if=/dev/urandom of=/tmp/noise bs=1M count=16 2>/dev/null; nc -N {HOST} {peer.port} < /tmp/noise", 300)
    digest = peer.finish()
    assert peer.count == 16 * MEBIBYTE
    assert dom0.run("sha256sum /tmp/noise; rm /tmp/noise").split()[0] == digest


def test_tcp_both_ways_at_once(dom0):
    data = noise(4 * MEBIBYTE, 2)
    peers = [Peer(data) for _ in range(4)]
    ports = " ".join(str(peer.port) for peer in peers)
    output = dom0.run(f"for p in {ports}; do (head -c 2M /dev/zero | nc -N {HOST} $p | sha256sum) & done; wait", 300)
    digests = {peer.finish() for peer in peers}
    assert DIGEST.findall(output) == [hashlib.sha256(data).hexdigest()] * 4
    assert digests == {hashlib.sha256(bytes(2 * MEBIBYTE)).hexdigest()}


def test_disk(dom0):
    """Write, drop the caches, read back; four files at once."""
    dom0.run("mkdir /root/d; cd /root/d")
    before = dom0.run("for i in 1 2 3 4; do head -c 24M /dev/urandom | tee $i | sha256sum & done; wait", 300)
    dom0.run("sync; echo 3 > /proc/sys/vm/drop_caches", 120)
    after = dom0.run("for i in 1 2 3 4; do sha256sum < $i & done; wait; cd /tmp/p; rm -r /root/d", 300)
    assert sorted(DIGEST.findall(before)) == sorted(DIGEST.findall(after))
    assert len(set(DIGEST.findall(before))) == 4


def test_disks_of_the_bios(dom0):
    """What the BIOS told of its disks before any kernel ran, which drivers use to tell disks apart."""
    dom0.run("modprobe edd")
    for device, disk in (("int13_dev80", "vda"), ("int13_dev81", "vdb")):
        found = dom0.run(f"cd /sys/firmware/edd/{device} && cat sectors version && grep -c 'Fixed disk access' extensions; "
                         f"cat /sys/block/{disk}/size; cd /tmp/p").split()
        assert found[0] == found[3] and found[1:3] == ["0x30", "1"], (device, found)


def test_direct_io(dom0):
    """Transfers from and to user pages, which the driver maps for the device one by one."""
    output = dom0.run("dd if=/dev/urandom of=/root/d bs=1M count=8 oflag=direct 2>/dev/null; sha256sum < /root/d; "
                      "dd if=/root/d bs=64k iflag=direct 2>/dev/null | sha256sum; rm /root/d", 120)
    first, second = DIGEST.findall(output)
    assert first == second


def test_compile_job(dom0):
    """A generated program of some size, compiled by make on both CPUs, gives the right sum."""
    dom0.run("(cd job; ./generate; make -s -j2)", 600)
    # Sum over i of ( 60 i + i * sum over j of j (j-1) / 2 ).
    expected = sum(i * 60 + i * sum(j * (j - 1) // 2 for j in range(1, 61)) for i in range(1, 13))
    assert int(dom0.run("job/job")) == expected


def test_32_bit_program(dom0):
    """A 32-bit process makes system calls through int 0x80."""
    dom0.run("gcc -m32 -O1 -nostdlib -static -ffreestanding -fno-pic -no-pie -o thirty-two thirty-two.c", 120)
    status, output = dom0.run("./thirty-two", check=False)
    assert (status, output) == (32, "thirty-two")


def test_faults_become_signals(dom0):
    """Faults of a program reach it as the signals they are on bare hardware."""
    dom0.run("gcc -O0 -w -o faults faults.c", 120)
    expected = {
        "divide": 8, "null": 11, "hole": 11, "non-canonical": 11, "read-only": 11, "undefined": 4, "privileged": 11,
        "cli": 11, "port": 11, "interrupt": 11, "breakpoint": 5, "step": 5,
    }
    seen = {}
    for fault in expected:
        status, _ = dom0.run(f"./faults {fault} 2>/dev/null", check=False)
        seen[fault] = status - 128
    assert seen == expected


def test_vector_registers(dom0):
    dom0.run("gcc -O2 -o floating floating.c", 120)
    dom0.run("(p=; for i in 1 2 3 4 5 6; do ./floating $i & p=\"$p $!\"; done; for i in $p; do wait $i || exit 1; done)",
             300)


def test_time(dom0):
    """dom0's clock agrees with the machine's (the host's), goes on, and timers fire."""
    for _ in range(3):
        before = time.time()
        seen = float(dom0.run("date +%s.%N"))
        assert before - 5 < seen < time.time() + 5
    # Time never goes back, wherever it is read.
    dom0.run("gcc -O1 -o monotonic monotonic.c", 120)
    assert dom0.run("./monotonic", 120) == "cpus 3 backwards 0"
    assert "xen" in dom0.read_file("/sys/devices/system/clocksource/clocksource0/available_clocksource")
    start = float(dom0.run("cut -d' ' -f1 /proc/uptime"))
    dom0.run("sleep 2")
    assert float(dom0.run("cut -d' ' -f1 /proc/uptime")) - start >= 2


def test_every_cpu_works(dom0):
    for cpu in range(2):
        assert dom0.run(f"taskset -c {cpu} sh -c 'echo $((6 * 7))'") == "42"
    before = dom0.run("grep 'Function call\\|Rescheduling' /proc/interrupts")
    assert before


def test_cpu_offline_and_online(dom0):
    for _ in range(3):
        dom0.run("echo 0 > /sys/devices/system/cpu/cpu1/online", 60)
        assert dom0.run("nproc") == "1"
        dom0.run("echo 1 > /sys/devices/system/cpu/cpu1/online", 60)
        assert dom0.run("nproc") == "2"
    assert dom0.run("taskset -c 1 sh -c 'echo $((6 * 7))'") == "42"


def test_many_processes(dom0):
    """Page tables come and go by the thousand on both CPUs."""
    output = dom0.run("for c in 0 1; do taskset -c $c sh -c 'i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done; "
                      "echo done' & done; wait", 300)
    assert output.count("done") >= 2


def test_memory_exhaustion(dom0):
    """A program that wants more memory than there is gets refused or killed; dom0 goes on."""
    dom0.run("gcc -O1 -o eat eat.c", 120)
    status, _ = dom0.run("(ulimit -v 700000; ./eat)", 180, check=False)
    assert status == 3


def test_reboot_then_poweroff(start):
    """Both ways to end: the machine starts again; it goes off; the disk is clean and holds what was written."""
    machine = start(cpus=2, disk=DISK, initrd=INITRD, args=ROOT_ARGS, net="", no_reboot=False)
    machine.wait_for_shell(240)
    first = machine.run("cat /proc/sys/kernel/random/boot_id")
    machine.run("dd if=/dev/urandom of=/root/kept bs=1M count=20 2>/dev/null; sha256sum /root/kept > /root/kept.sum", 120)
    machine.send("reboot\n")
    machine.wait_for(r"Linux version", 240, "second start of the kernel")
    machine.wait_for_shell(240)
    assert machine.run("cat /proc/sys/kernel/random/boot_id") != first
    machine.run("sha256sum -c /root/kept.sum")
    assert machine.run("dmesg | grep -c 'EXT4-fs.*recovery'; true") == "0"
    machine.send("poweroff\n")
    assert machine.wait_for_exit(120) == 0
    raw = LOGS / "poweroff.raw"
    try:
        subprocess.run(["qemu-img", "convert", "-O", "raw", str(machine.overlay), str(raw)], check=True)
        check = subprocess.run(["/usr/sbin/e2fsck", "-fn", str(raw)], capture_output=True, text=True)
        assert check.returncode == 0, check.stdout
    finally:
        raw.unlink(missing_ok=True)


def test_dom0_crash_ends_the_machine(start):
    """When dom0's kernel panics, the VMM says so and restarts the machine."""
    machine = start()
    machine.expect_complaints = True
    machine.wait_for_shell()
    machine.send("echo c > /proc/sysrq-trigger\n")
    machine.wait_for(r"\((HV|XEN)\) .*(crash|Dom(ain ?)?0)", 60, "word of dom0's crash")
    machine.wait_for_exit(60)
