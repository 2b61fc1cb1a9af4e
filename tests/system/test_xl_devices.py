"""Disks and networks that dom0's kernel serves to guests, attached and detached while they run."""

import hashlib
import re

import pytest

from test_dom0 import HOST, MEBIBYTE, Peer
from test_xl_failures import given_back  # noqa: F401 (a fixture)


def lines_of(dom0, command):
    return dom0.run(command).splitlines()[1:]


def test_block_attach_and_detach(dom0):
    """A file and a device as disks of a running guest; what the guest writes is there in dom0."""
    dom0.run("truncate -s 24M /root/disk")
    for _ in range(2):
        dom0.run("xl block-attach one file:/root/disk,xvdb,w")
        assert any(line.startswith("51728 0") for line in lines_of(dom0, "xl block-list one"))
        dom0.wait_until("guest run one 'test -b /dev/xvdb'")
        digest = dom0.guest("one", "dd if=/dev/urandom of=/dev/xvdb bs=1M count=24 2>/dev/null; sync; "
                                   "sha256sum < /dev/xvdb").split()[0]
        dom0.run("xl block-detach one xvdb")
        assert lines_of(dom0, "xl block-list one") == []
        dom0.wait_until("guest run one 'test ! -b /dev/xvdb'")
        assert dom0.run("sha256sum < /root/disk").split()[0] == digest
    dom0.run("xl block-attach one phy:$(readlink -f /dev/disk/by-id/virtio-toolbox),xvdc,r")
    dom0.wait_until("guest run one 'test -b /dev/xvdc'")
    assert dom0.guest("one", "head -c 4000000 /dev/xvdc | md5sum") == \
        dom0.run("head -c 4000000 /dev/disk/by-id/virtio-toolbox | md5sum")
    assert dom0.guest("one", "dd if=/dev/zero of=/dev/xvdc count=1 2>/dev/null", check=False)[0] != 0
    dom0.run("xl block-detach one xvdc; rm /root/disk")


def test_much_is_mapped_at_once(given_back):
    """A busy disk makes dom0 map more of a guest than ever before. What the hypervisor keeps for dom0's mappings grows,
    and stays when the guest is gone; all else comes back."""
    frames = given_back.dom0_map_frames()
    # Each disk keeps mapped what it once had in flight: as many of them as it takes to have more than fits so far.
    names = [f"xvd{chr(ord('b') + i)}" for i in range(frames + 1)]
    given_back.run("head -c 8M /dev/zero > /root/disk")
    given_back.create("busy", vcpus=2, disk="[" + ", ".join(f'"file:/root/disk,{name},r"' for name in names) + "]")
    given_back.wait_guest("busy")
    for name in names:
        given_back.wait_until(f"guest run busy 'test -b /dev/{name}'")
        given_back.guest("busy", f"for i in 0 1 2 3 4 5 6 7; do dd if=/dev/{name} of=/dev/null bs=1M skip=$i count=1 "
                                 "iflag=direct 2>/dev/null & done; wait")
    given_back.run("xl destroy busy; rm /root/disk")
    given_back.free_memory()  # waits until all is unmapped: Xen would write of each mapping to the serial line
    assert given_back.dom0_map_frames() > frames


def test_busy_disk_is_not_pulled(dom0):
    """Detaching a mounted disk waits for the guest; --force takes it away."""
    dom0.run("truncate -s 8M /root/disk; mke2fs -q -t ext4 /root/disk; xl block-attach one file:/root/disk,xvdb,w")
    dom0.wait_until("guest run one 'test -b /dev/xvdb'")
    dom0.guest("one", "mount /dev/xvdb /mnt; echo kept > /mnt/file; sync")
    dom0.run("xl block-detach one xvdb --force", 90, check=False)
    dom0.guest("one", "umount -l /mnt", check=False)
    dom0.wait_until("[ $(xl block-list one | wc -l) -le 1 ]", 60)
    assert dom0.guest("one", "echo alive") == "alive"
    dom0.run("mount -o loop /root/disk /mnt && cat /mnt/file && umount /mnt; rm /root/disk")


def test_network_attach_and_detach(dom0):
    """A card on the bridge: an address, the way out to the host, and gone again."""
    for _ in range(2):
        dom0.run("xl network-attach one bridge=xenbr0 mac=00:16:3e:00:00:77")
        assert any("00:16:3e:00:00:77" in line for line in lines_of(dom0, "xl network-list one"))
        dom0.wait_until("guest run one 'test -d /sys/class/net/eth0'")
        dom0.guest("one", "ip link set eth0 up; ip addr add 10.0.2.77/24 dev eth0")
        assert "3 packets received" in dom0.guest("one", f"ping -c 3 -W 5 {HOST}")
        dom0.run("xl network-detach one 0")
        assert lines_of(dom0, "xl network-list one") == []
        dom0.wait_until("guest run one 'test ! -d /sys/class/net/eth0'")


@pytest.fixture
def pair(dom0):
    """Two guests with cards on the bridge."""
    for i in (1, 2):
        dom0.create(f"net{i}", vif=f'["mac=00:16:3e:00:01:0{i},bridge=xenbr0"]')
    for i in (1, 2):
        dom0.wait_guest(f"net{i}")
        dom0.wait_until(f"guest run net{i} 'test -d /sys/class/net/eth0'")
        dom0.guest(f"net{i}", f"ip link set eth0 up; ip addr add 10.0.2.8{i}/24 dev eth0")
    return dom0


def test_network_between_guests(pair):
    """Checksummed streams from guest to guest and from a guest to the host."""
    pair.guest("net1", "dd if=/dev/urandom of=/tmp/noise bs=1M count=12 2>/dev/null")
    digest = pair.guest("net1", "sha256sum < /tmp/noise").split()[0]
    pair.guest("net2", "(nc -l -p 7777 > /tmp/got; touch /tmp/done) >/dev/null 2>&1 &")
    pair.guest("net1", "for i in 1 2 3 4 5 6 7 8 9; do nc 10.0.2.82 7777 < /tmp/noise && break; sleep 1; done")
    pair.wait_until("guest run net2 'test -e /tmp/done'")
    assert pair.guest("net2", "sha256sum < /tmp/got").split()[0] == digest
    peer = Peer()
    pair.guest("net1", f"nc {HOST} {peer.port} < /tmp/noise")
    assert peer.finish() == digest and peer.count == 12 * MEBIBYTE


def test_network_from_the_host(pair):
    data = hashlib.sha256(b"seed").digest() * (MEBIBYTE // 4)
    peer = Peer(data)
    got = pair.guest("net2", f"nc {HOST} {peer.port} < /dev/null | sha256sum")
    peer.finish()
    assert got.split()[0] == hashlib.sha256(data).hexdigest()


def test_guest_dies_with_devices(dom0):
    """A guest is destroyed in the middle of disk and network traffic: dom0 keeps nothing of it."""
    dom0.run("truncate -s 64M /root/disk")
    for _ in range(2):
        dom0.create("busy", disk='["file:/root/disk,xvda,w"]', vif='["bridge=xenbr0"]')
        dom0.wait_guest("busy")
        dom0.guest("busy", "(while :; do dd if=/dev/urandom of=/dev/xvda bs=1M count=64 oflag=direct 2>/dev/null; done) "
                           ">/dev/null 2>&1 &")
        dom0.guest("busy", "ip link set eth0 up; ip addr add 10.0.2.90/24 dev eth0; "
                           f"(while :; do nc {HOST} 9 < /dev/zero; ping -c 1 -s 1400 {HOST}; done) >/dev/null 2>&1 &")
        dom0.run("sleep 2; xl destroy busy", 90)
        assert "busy" not in dom0.run("xl list; losetup -l; ip link")
        assert not re.search(r"vif\d", dom0.run("ip -br link show master xenbr0").replace("eth0", ""))
    dom0.run("rm /root/disk")
