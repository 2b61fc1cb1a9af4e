"""Stock Debian guests on disks of their own, as "make run" starts them, and guests of every size."""

import hashlib
import re

import pytest

from test_dom0 import HOST, MEBIBYTE, Peer
from toolstack import Tools, guest_disks

@pytest.fixture(scope="module")
def as_by_make_run(tmp_path_factory):
    """The machine that make run starts, at its shell."""
    disks = guest_disks(tmp_path_factory.mktemp("disks"), ["debian1", "debian2"])
    machine = Tools("debian-guests", mem="2G", options=disks)
    try:
        machine.wait_for(r"(?s)Name +ID +Mem VCPUs.*?Domain-0.*?\n(debian1 .*?)\r*\n(debian2 .*?)\r*\n", 300,
                         "list of guests")
        machine.wait_for(r"Their consoles: xl console debian1", 10)
        machine.start_tools()
        for name in ("debian1", "debian2"):
            machine.wait_guest(name, 300)
        yield machine
        machine.audit()
    finally:
        machine.stop()
    machine.check_log()


def test_two_guests_are_there(as_by_make_run):
    found = as_by_make_run.domains()
    assert {name: values[1:3] for name, values in found.items() if name != "Domain-0"} == \
        {"debian1": (256, 2), "debian2": (256, 2)}
    for name in ("debian1", "debian2"):
        assert as_by_make_run.guest(name, "hostname; nproc; findmnt -no SOURCE /").split() == [name, "2", "/dev/xvda1"]
        assert as_by_make_run.guest(name, "systemctl is-system-running --wait", 300) == "running"


def test_way_out(as_by_make_run):
    """Both guests have got an address and reach the host."""
    for name in ("debian1", "debian2"):
        as_by_make_run.wait_until(f"guest run {name} 'ip route | grep default'", 60)
        assert "3 received" in as_by_make_run.guest(name, f"ping -c 3 -i 0.2 -W 5 {HOST}")
    data = hashlib.sha256(b"seed").digest() * (MEBIBYTE // 8)
    peer = Peer(data)
    got = as_by_make_run.guest("debian1", f"nc -d {HOST} {peer.port} | sha256sum")
    peer.finish()
    assert got.split()[0] == hashlib.sha256(data).hexdigest()


def test_disk_of_a_guest(as_by_make_run):
    digests = as_by_make_run.guest("debian1", "dd if=/dev/urandom of=/root/d bs=1M count=32 2>/dev/null; "
                                              "sha256sum < /root/d; sync; echo 3 > /proc/sys/vm/drop_caches; "
                                              "sha256sum < /root/d; rm /root/d")
    first, second = re.findall(r"\b[0-9a-f]{64}\b", digests)
    assert first == second


def test_programs_in_a_guest(as_by_make_run):
    """32-bit processes, vector registers, signals for faults, a clock that never goes back: as in dom0."""
    machine = as_by_make_run
    machine.run("mkdir -p /root/p; cp /tools/*.c /root/p; cd /root/p; "
                "gcc -m32 -O1 -nostdlib -static -ffreestanding -fno-pic -no-pie -o thirty-two thirty-two.c; "
                "gcc -O2 -static -o floating floating.c; gcc -O1 -static -o monotonic monotonic.c; "
                "gcc -O0 -w -static -o faults faults.c; truncate -s 16M /root/img; "
                "mke2fs -q -t ext4 -d /root/p /root/img; cd /root", 200)
    machine.run("xl block-attach debian1 file:/root/img,xvdb,r")
    machine.wait_until("guest run debian1 'test -b /dev/xvdb'")
    machine.guest("debian1", "mount -o ro /dev/xvdb /mnt")
    assert machine.guest("debian1", "/mnt/thirty-two", check=False) == (32, "thirty-two")
    machine.guest("debian1", "for i in 1 2 3; do /mnt/floating $i & done; wait", 300)
    assert machine.guest("debian1", "/mnt/monotonic", 180).endswith("backwards 0")
    seen = machine.guest("debian1", "for f in divide null non-canonical undefined privileged breakpoint step; do "
                                    "/mnt/faults $f 2>/dev/null; echo $?; done").split()
    assert [int(status) - 128 for status in seen if status.isdigit()] == [8, 11, 11, 4, 11, 5, 5]
    machine.guest("debian1", "umount /mnt")
    machine.run("xl block-detach debian1 xvdb")


def test_reboot_and_shutdown(as_by_make_run):
    """xl reboot brings a guest back with its disk; xl shutdown ends it; xl create starts it again."""
    machine = as_by_make_run
    machine.guest("debian2", "echo kept > /root/kept")
    number = machine.newest()
    machine.run("xl reboot debian2")
    machine.wait_newer(number, 120)
    machine.wait_guest("debian2", 300)
    assert machine.guest("debian2", "cat /root/kept; dmesg | grep -c recovery.required; true") == "kept\n0"
    machine.run("xl shutdown -w debian2", 120)
    machine.wait_gone("debian2")
    machine.run("xl create -q /etc/xen/debian2.cfg", 120)
    machine.wait_guest("debian2", 300)
    assert machine.guest("debian2", "cat /root/kept") == "kept"


@pytest.mark.soak
def test_eight_vcpus(dom0):
    """A guest with eight vCPUs on two CPUs; half of them come by hot-plug."""
    dom0.create("eight", vcpus=4, maxvcpus=8, memory=256)
    dom0.wait_guest("eight")
    assert dom0.guest("eight", "nproc") == "4"
    dom0.run("xl vcpu-set --ignore-host eight 8")
    dom0.wait_vcpus("eight", 8)
    digests = dom0.guest("eight", "for c in 0 1 2 3 4 5 6 7; do (head -c 3000000 /dev/zero | sha256sum) & done; wait", 300)
    assert len(re.findall(r"\b[0-9a-f]{64}\b", digests)) == 8
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", digests))) == 1
    dom0.run("xl vcpu-set eight 1")
    dom0.wait_vcpus("eight", 1)


def start_many(name, mem, options=()):
    machine = Tools(name, mem=mem, dom0_mem="1024M", options=options)
    try:
        machine.start_tools()
        return machine
    except BaseException:
        machine.stop()
        raise


def make_and_end(machine, count):
    machine.run(f"for i in $(seq {count}); do xl create -q /tools/neighbour.cfg \"name='n$i'\" "
                "'kernel=\"/tools/idle\"' || break; done", 600)
    found = machine.domains()
    assert len(found) == count + 1
    assert all(values[3][2:] == "----" for name, values in found.items() if name != "Domain-0")
    machine.see(f"n{count}", "idle: ready")
    machine.run(f"for i in $(seq {count}); do xl pause n$i; done; for i in $(seq {count}); do xl unpause n$i; done", 120)
    machine.run(f"(for i in $(seq {count}); do xl destroy n$i & [ $((i % 6)) = 0 ] && wait; done; wait)", 600)
    machine.wait_until("[ $(xl list | wc -l) = 2 ]")
    return machine.free_memory()


@pytest.mark.soak
def test_sixty_tiny_guests():
    """Sixty guests at once, paused and running again, and all gone with their memory; what the VMM keeps of the first sixty
    (structs of domains and ports, for use again) serves the next ones."""
    machine = start_many("sixty", "6G")
    try:
        free = make_and_end(machine, 60)
        assert make_and_end(machine, 20) == free
        machine.audit()
    finally:
        machine.stop()
    machine.check_log()


@pytest.mark.soak
def test_twelve_stock_guests(tmp_path):
    """Twelve stock Debian guests of 256 MiB at once in 6 GiB, each on its disk and the bridge."""
    names = [f"deb{i}" for i in range(1, 13)]
    machine = start_many("twelve", "6G", guest_disks(tmp_path, names))
    try:
        for name in names:
            machine.run(f"sed 's/debian1/{name}/; s/mac=[^,]*,//' /etc/xen/debian1.cfg > /root/{name}.cfg; "
                        f"sed -i 's/virtio-debian1/virtio-{name}/; s/hostname=debian1/hostname={name}/' /root/{name}.cfg; "
                        f"xl create -q /root/{name}.cfg vcpus=1", 180)
        for name in names:
            machine.wait_guest(name, 900)
        for name in names:
            assert machine.guest(name, "hostname") == name
            machine.wait_until(f"guest run {name} 'ip route | grep default'", 120)
            assert "3 received" in machine.guest(name, f"ping -c 3 -W 9 {HOST}")
        machine.run("xl shutdown -a -w", 600)
        machine.wait_until("[ $(xl list | wc -l) = 2 ]", 120)
        machine.audit()
    finally:
        machine.stop()
    machine.check_log()


@pytest.mark.soak
def test_guest_of_eight_gibibytes():
    machine = start_many("eight-gibibytes", "11G")
    try:
        machine.create("big", memory=8192, vcpus=2, limit=300)
        machine.wait_guest("big", 300)
        total = int(re.search(r"MemTotal:\s+(\d+)", machine.guest("big", "cat /proc/meminfo")).group(1))
        assert total > 7.5 * (1 << 20)
        machine.guest("big", "mount -t tmpfs -o size=7g t /mnt; dd if=/dev/zero of=/mnt/z bs=1M count=6144", 600)
        # A mark of its own in each 64 MiB: no two places are the same memory.
        machine.guest("big", "for i in $(seq 0 95); do echo mark-$i | dd of=/mnt/z bs=1M seek=$((64 * i)) conv=notrunc 2>/dev/null; done", 300)
        marks = machine.guest("big", "for i in $(seq 0 95); do dd if=/mnt/z bs=64 skip=$((i << 20)) count=1 2>/dev/null | head -n 1; done", 300)
        assert marks.split() == [f"mark-{i}" for i in range(96)]
        machine.run("xl destroy big", 300)
        machine.audit()
    finally:
        machine.stop()
    machine.check_log()
