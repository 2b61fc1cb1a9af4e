"""Debian's xl and its kin tell the truth about the machine and its guests."""

import json
import re

from toolstack import ON_XEN


def test_info(dom0):
    info = dict(re.findall(r"^(\S+)\s*: (.*)$", dom0.run("xl info"), re.M))
    assert (info["xen_major"], info["xen_minor"], info["xen_scheduler"]) == ("4", "17", "credit2")
    assert info["xen_pagesize"] == "4096" and info["nr_cpus"] == "2" and info["nr_nodes"] == "1"
    assert "xen-3.0-x86_64" in info["xen_caps"].split()
    assert "dom0_mem=768M,max:768M" in info["xen_commandline"]
    assert 3000 <= int(info["total_memory"]) <= 3072
    assert 1500 < int(info["free_memory"]) < int(info["total_memory"]) - 768
    numa = dom0.run("xl info -n")
    assert re.search(r"cpu:\s+core\s+socket\s+node\n\s+0:\s+\d+\s+\d+\s+0\n\s+1:\s+\d+\s+\d+\s+0", numa), numa
    assert re.search(r"node:\s+memsize\s+memfree\s+distances\n\s+0:\s+\d+\s+\d+\s+10", numa), numa


def test_list(dom0):
    found = dom0.domains()
    assert found["Domain-0"][:3] == (0, 768, 2) and found["Domain-0"][3].startswith("r")
    number, memory, vcpus, state, _ = found["one"]
    assert (memory, vcpus) == (128, 2) and re.fullmatch(r"[r-][b-]----", state)
    entries = {entry["domid"]: entry["config"] for entry in json.loads(dom0.run("xl list -l -v"))}
    assert entries[number]["c_info"]["name"] == "one" and entries[number]["b_info"]["max_vcpus"] == 2
    assert re.search(rf"one +{number} .*[0-9a-f]{{8}}-[0-9a-f-]{{27}} ", dom0.run("xl list -v"))
    rows = [line.split() for line in dom0.run("xl vcpu-list one").splitlines()[1:]]
    assert [row[:3] for row in rows] == [["one", str(number), "0"], ["one", str(number), "1"]]
    assert all(row[-3:] == ["all", "/", "all"] for row in rows)


def test_names_and_numbers(dom0):
    number = dom0.domains()["one"][0]
    assert dom0.run("xl domid one") == str(number)
    assert dom0.run(f"xl domname {number}") == "one"
    dom0.run("xl rename one uno")
    assert dom0.run(f"xl domname {number}") == "uno"
    assert dom0.run("xl rename uno Domain-0", check=False)[0] != 0
    dom0.run("xl rename uno one")


def test_cpupool_list(dom0):
    assert dom0.run("xl cpupool-list").splitlines()[1].split() == ["Pool-0", "2", "credit2", "y", "2"]
    assert dom0.run("xl cpupool-list -c").splitlines()[1].split() == ["Pool-0", "0,1"]


def test_uptime(dom0):
    """A guest's uptime counts from its creation and goes on."""
    def seconds():
        found = re.search(r"^one\s+\d+\s+(\d+):(\d+):(\d+)", dom0.run("xl uptime"), re.M)
        return sum(int(part) * unit for part, unit in zip(found.groups(), (3600, 60, 1)))
    first = seconds()
    dom0.run("sleep 1.1")
    assert first < seconds()


def test_claims(dom0):
    """What a guest in the making has been promised; none is being made."""
    assert re.search(r"^one\s+\d+\s+128\s+2\s+\S+\s+[\d.]+\s+0$", dom0.run("xl claims"), re.M)
    assert re.search(r"outstanding_claims\s*: 0", dom0.run("xl info"))


def test_dmesg_and_debug_keys(dom0):
    dom0.run("xl dmesg -c > /dev/null")
    assert dom0.run("xl dmesg | wc -c") == "0"
    for key in "hqrmiaegt":
        dom0.run(f"xl debug-keys {key}; xl dmesg -c > /tmp/said; test -s /tmp/said")
    dom0.run("xl debug-keys q; xl dmesg > /tmp/said")
    number = dom0.domains()["one"][0]
    assert int(dom0.run(f"grep -ci 'd{number}\\|domain {number}' /tmp/said")) >= 1


def test_top(dom0):
    rows = [line.split() for line in dom0.run("xentop -b -i 2 -d 1").splitlines()]
    ones = [row for row in rows if row[0] == "one"]
    assert len(ones) == 2 and len([row for row in rows if row[0] == "Domain-0"]) == 2
    assert ones[0][4] == str(128 * 1024) and ones[0][8] == "2"


def test_store(dom0):
    number = dom0.domains()["one"][0]
    tree = dom0.run(f"xenstore-ls -f /local/domain/{number}")
    assert f'/local/domain/{number}/name = "one"' in tree
    assert re.search(rf"/local/domain/{number}/memory/target = \"{128 * 1024}\"", tree)
    assert dom0.run(f"xenstore-read /local/domain/{number}/domid") == str(number)
    assert dom0.run("xenstore-read /no/such", check=False)[0] != 0


def test_event_channels(dom0):
    """lsevtchn of a guest: console and store to dom0, a timer and IPIs for each vCPU."""
    text = dom0.run("lsevtchn $(xl domid one)")
    assert text.count("Virtual IRQ 0") == 2
    assert {"0", "1"} == set(re.findall(r"VCPU (\d+): IPI", text))
    # Both ends agree.
    connected = re.findall(r"(\d+): VCPU \d+: Interdomain \(Connected\) - Remote Domain 0, Port (\d+)", text)
    assert [mine for mine, _ in connected[:2]] == ["1", "2"]
    number, others = dom0.domains()["one"][0], dom0.run("lsevtchn 0")
    for mine, theirs in connected:
        assert re.search(rf"\b{theirs}: VCPU \d+: Interdomain \(Connected\) - Remote Domain {number}, Port {mine}$", others,
                         re.M)


def test_context(dom0):
    """xenctx: the registers, code and stack of an idle guest, which sits in its hypercall."""
    text = dom0.run("xenctx $(xl domid one) 0 | grep -v 'Call Trace'")
    assert re.search(r"^rip: ffffffff8[0-9a-f]{7}", text, re.M) and re.search(r"cs: e033\s+ss: e02b", text)
    assert re.search(r"0f 05 <", text), "the instruction before is syscall"
    assert "Invalid argument" in dom0.run("xenctx $(xl domid one) 7 2>&1", check=False)[1]


def test_grant_table_size(dom0):
    number = dom0.domains()["one"][0]
    assert re.fullmatch(rf"domid={number}: nr_frames=\d+, max_nr_frames=64",
                        dom0.run(f"xen-diag gnttab_query_size {number}"))
    status, text = dom0.run("xen-diag gnttab_query_size 999", check=False)
    assert status != 0 or "Failed" in text or "error" in text.lower(), text


def test_dump_core(dom0):
    """The core holds the guest's memory: its pages and what its kernel calls itself."""
    dom0.run("xl dump-core one /root/core", 120)
    assert int(dom0.run("stat -c %s /root/core")) > 128 << 20
    assert dom0.run("head -c 4 /root/core | od -An -c").split() == ["177", "E", "L", "F"]
    assert dom0.run("grep -c -a 'Linux version 6' /root/core; rm /root/core", 120) != "0"
    assert dom0.guest("one", "echo alive") == "alive"


def test_absent_features(dom0):
    """Power management, passthrough and monitoring that are not there: the answers that Xen gives without them."""
    assert "unhandled" not in dom0.run("xenpm get-cpuidle-states 2>&1", check=False)[1]
    status, text = dom0.run("xenpm get-cpufreq-para 2>&1", check=False)
    assert "failed" in text or status
    assert dom0.run("xl pci-list one") == ""
    assert re.search(r"Enabled +: 0", dom0.run("xl psr-hwinfo 2>&1", check=False)[1])
    assert dom0.run("xenperf 2>&1", check=False)[0] != 0
    assert dom0.run("xenlockprof 2>&1", check=False)[0] != 0
    if not ON_XEN:
        status, text = dom0.run("xl cpupool-create 'name=\"p\"' 2>&1", check=False)
        assert status != 0 and "Could not create cpupool" in text


def test_what_does_not_exist(dom0):
    """Every command that names a domain or vCPU that is not there fails and says so."""
    for command in ("list 99", "pause 99", "unpause 99", "destroy 99", "shutdown 99", "reboot 99", "dump-core 99 /root/c",
                    "mem-set 99 100", "mem-max 99 100", "vcpu-set 99 1", "vcpu-pin 99 0 0", "vcpu-pin one 7 0",
                    "sched-credit2 -d 99 -w 5", "trigger 99 nmi 0", "trigger one nmi 9", "rename 99 x",
                    "block-attach 99 phy:/dev/vda,xvdz,r", "block-detach one xvdq", "network-detach one 7",
                    "domid nobody", "domname 99", "vcpu-pin one 0 77"):
        status, text = dom0.run(f"xl {command} 2>&1", check=False)
        assert status != 0 or re.search(r"[Ee]rror|does not exist|[Ii]nvalid|not connected", text), \
            f"xl {command}: {status}: {text}"
    dom0.run("rm -f /root/c")
