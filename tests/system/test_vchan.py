"""libxenvchan: rings between two guests, over gntalloc and gntdev, found by way of the store."""

import re


def test_vchan(dom0):
    """Messages longer than the rings go from one guest to another and come back the same; the end of one side is seen."""
    # An archive is a disk that needs no file system.
    dom0.run("tar cf /root/program.tar -C /tools vchan")
    for name in ("left", "right"):
        dom0.create(name, disk='["file:/root/program.tar,xvdc,r"]')
    for name in ("left", "right"):
        dom0.wait_guest(name)
        dom0.wait_until(f"guest run {name} 'test -b /dev/xvdc'")
        dom0.guest(name, "tar xf /dev/xvdc -C /tmp && for m in xen-evtchn xen-gntdev xen-gntalloc; do modprobe $m; done")
    found = dom0.domains()
    left, right = found["left"][0], found["right"][0]
    for _ in range(2):
        dom0.guest("left", f"/tmp/vchan serve {right} data/vchan > /tmp/out 2>&1 &")
        dom0.wait_until("guest run left 'grep -q serving /tmp/out'")
        text = dom0.guest("right", f"/tmp/vchan send {left} /local/domain/{left}/data/vchan 40")
        assert re.search(r"same \d{6,} bytes", text), text
        dom0.wait_until("guest run left '! pidof vchan'")
        dom0.guest("left", "[ $(cat /tmp/out) = serving ]")
    for name in ("left", "right"):
        dom0.run(f"xl destroy {name}")
    dom0.run("rm /root/program.tar")
