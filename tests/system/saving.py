"""A guest that is to be saved, and what must be true of it afterwards."""

from test_dom0 import HOST

# Memory of dom0, so that a round is quick.
FILE = "/dev/shm/kept.save"


def ahead(dom0):
    """Seconds by which the guest's clock is ahead of dom0's: the least and the most it can be."""
    return tuple(map(float, dom0.run("guest ahead kept").split()))


def overlap(one, other):
    """Whether two ranges of seconds may be the same moment; clocks of two kernels drift a little."""
    return one[0] <= other[1] + 0.1 and other[0] <= one[1] + 0.1


def start(dom0, vcpus, **keys):
    """A guest "kept" with a disk, a card, a computation, and something in its memory."""
    dom0.run("head -c 4M /dev/urandom > /root/disk")
    dom0.create("kept", vcpus=vcpus, disk='["file:/root/disk,xvdb,w"]', vif='["mac=00:16:3e:00:02:01,bridge=xenbr0"]', **keys)
    dom0.wait_guest("kept")
    dom0.wait_until("guest run kept 'test -b /dev/xvdb -a -d /sys/class/net/eth0'")
    dom0.guest("kept", "ip link set eth0 up; ip addr add 10.0.2.91/24 dev eth0; echo hello > /tmp/kept; "
                       "(while :; do :; done) & echo $! > /tmp/pid; cut -d. -f1 /proc/uptime > /tmp/uptime")
    dom0.kept_ahead = ahead(dom0)


def goes_on(dom0, vcpus):
    """It is where it was: processes, memory, vCPUs, clock, disk, network."""
    assert dom0.guest("kept", "cat /tmp/kept; nproc").split() == ["hello", str(vcpus)]
    dom0.guest("kept", "kill -0 $(cat /tmp/pid) && for c in $(seq 0 $(($(nproc) - 1))); do "
                       "taskset -p $((1 << c)) $$ >/dev/null; sleep 0.1; done; taskset -p ff $$ >/dev/null")
    before, after, uptime = map(int, dom0.guest("kept", "cut -d. -f1 /proc/uptime; sleep 1; cut -d. -f1 /proc/uptime; "
                                                        "cat /tmp/uptime").split())
    assert uptime <= before < after
    # What its kernel lost of time while it booted, and is less than two seconds, it makes good when it is suspended.
    now = ahead(dom0)
    assert overlap(now, dom0.kept_ahead) or overlap(now, (0, 0)), f"{dom0.kept_ahead} became {now}"
    digest = dom0.guest("kept", "dd if=/dev/urandom of=/dev/xvdb bs=1M count=1 2>/dev/null; sync; "
                                "echo 3 > /proc/sys/vm/drop_caches; sha256sum < /dev/xvdb").split()[0]
    assert dom0.run("sha256sum < /root/disk").split()[0] == digest
    # Its bridge has to learn the way to it, where the card is a new one.
    dom0.wait_until(f"guest run kept 'ping -c 1 -W 2 {HOST}' >/dev/null", 30)


def end(dom0):
    dom0.run(f"xl destroy kept; rm -f /root/disk {FILE}", 90)
