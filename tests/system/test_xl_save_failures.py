"""What can go wrong when a guest is saved or restored: bad files, no room, a tool that dies. Nobody else is harmed and
nothing is left behind."""

import re

import pytest

from saving import FILE, end, goes_on, start
from test_xl_failures import given_back, left_in_store, unchanged  # noqa: F401 (fixtures)

BAD = "/dev/shm/bad.save"


def state(dom0):
    return dom0.memory_of_guests(), sorted(dom0.domains()), left_in_store(dom0)


@pytest.fixture
def file(unchanged):
    """The file of a guest "kept" that was saved; whatever was made of it is gone afterwards, and it is good still."""
    unchanged.create("kept")
    unchanged.wait_guest("kept")
    unchanged.run(f"xl save kept {FILE}", 200)
    yield unchanged
    unchanged.run(f"xl restore {FILE}", 200)
    assert unchanged.guest("kept", "echo alive") == "alive"
    unchanged.run(f"xl destroy kept; rm -f {FILE} {BAD}", 90)


# What the file is made into (toolbox/damage), and what the tools say.
BAD_FILES = {
    "nothing": r"reading|read|save file",
    "header": r"read",
    "configuration": r"read",
    "before-image": r"read|stream",
    "half": r"read|stream",
    "before-vcpus": r"read|stream",
    "end": r"read|stream",
    "magic": r"not a .*save|magic",
    "syntax": r"pars",
    "image-version": r"version",
    "record-type": r"record",
    "record-length": r"record",
    "width": r"width",
    "p2m-size": r"P2M|pfn|p2m",
    "p2m-frames": r"pfn|p2m",
    "page-number": r"pfn",
    "page-type": r"type|pfn",
    "top-table": r"helper .* died",
    "bottom-table": r"helper .* died",
    "vcpu-number": r"vcpu",
    "vcpu-length": r"vcpu|length|record",
}


@pytest.mark.soak
def test_bad_files(file):
    """xl restore says what is wrong with a file that is cut short or altered, and nothing of the guest is left."""
    before = state(file)
    wrong = []
    for how, message in BAD_FILES.items():
        file.run(f"damage {FILE} {BAD} {how}")
        status, text = file.run(f"xl restore {BAD} 2>&1", 200, check=False)
        after = state(file)
        if status == 0 or not re.search(message, text, re.IGNORECASE) or after != before:
            wrong.append(f"{how}: status {status}, {before} became {after}:\n{text}")
            file.destroy_all(keep=["one"])
    assert not wrong, "\n".join(wrong)
    assert file.guest("one", "echo alive") == "alive"


@pytest.mark.soak
def test_altered_anywhere(file):
    """Altered registers and shared data, and random bytes: an error, or a guest that harms itself alone."""
    before = state(file)
    for how in ["vcpu-zeroes", "vcpu-ones", "shared-info", *(f"random {seed}" for seed in range(8))]:
        file.run(f"damage {FILE} {BAD} {how}")
        status, text = file.run(f"timeout 200 xl restore {BAD} 2>&1", 300, check=False)
        assert status != 124, f"{how}: {text}"
        assert file.guest("one", "echo alive") == "alive", how
        file.destroy_all(keep=["one"])
        assert state(file) == before, how
        file.audit()


# -- no room

@pytest.mark.soak
def test_full_disk(unchanged):
    """xl save says so, and the guest goes on, with its devices."""
    start(unchanged, 2)
    before = state(unchanged)
    unchanged.run("mkdir -p /root/small; mount -t tmpfs -o size=24m tmpfs /root/small")
    for more in ("", "-c"):
        status, text = unchanged.run(f"xl save {more} kept /root/small/file 2>&1", 200, check=False)
        assert status != 0 and "No space left" in text, text
        goes_on(unchanged, 2)
        assert state(unchanged) == before
    unchanged.run("umount /root/small; rmdir /root/small")
    unchanged.run(f"xl save kept {FILE} && xl restore {FILE}", 200)
    goes_on(unchanged, 2)
    end(unchanged)


@pytest.mark.soak
def test_no_memory_to_restore(file):
    """The tool says that it got no pages, nothing is left; once there is memory, the guest goes on (see "file")."""
    for missing in (100, 4):
        file.neighbour("big", "idle", memory=file.free_memory() // 1024 - 128 + missing)
        before = state(file)
        status, text = file.run(f"xl restore {FILE} 2>&1", 200, check=False)
        assert status != 0 and "Failed to populate physmap" in text, text
        assert state(file) == before
        file.run("xl destroy big")


# -- a tool that dies

@pytest.mark.soak
def test_saving_xl_is_killed(given_back):
    """The guest goes on, or is saved, or has been stopped for good (no command of xl makes such a one go on). What there
    is of a file is good, or refused."""
    before = state(given_back)
    given_back.create("kept")
    given_back.wait_guest("kept")
    given_back.run(f"xl save -c kept {FILE}", 200)
    size = int(given_back.run(f"stat -c %s {FILE}"))
    moments = [*(f"{FILE}:{size * part // 4}" for part in range(4)), f"{FILE}:{size - 10000}",
               "xl list kept | grep -q ss-"]
    for moment in moments:
        if "kept" not in given_back.domains():
            given_back.create("kept")
            given_back.wait_guest("kept")
        how = given_back.run(f"rm {FILE}; kill-at '{moment}' xl save kept {FILE} 2>&1", 200)
        assert "killed" in how or FILE not in moment, f"{moment}: {how}"
        found = given_back.domains()
        stopped = "kept" in found and "s" in found["kept"][3]
        if stopped:
            given_back.run("xl destroy kept")
        if stopped or "kept" not in found:
            assert state(given_back) == before, moment
            status, text = given_back.run(f"xl restore {FILE} 2>&1", 200, check=False)
            if status:
                assert stopped and re.search(r"read|stream", text), f"{moment}: {text}"
                assert state(given_back) == before, moment
                continue
        assert given_back.guest("kept", "echo alive") == "alive"
    given_back.run(f"rm {FILE}")


@pytest.mark.soak
def test_restoring_xl_is_killed(given_back):
    """What it has left can be destroyed, and the file is good for another time."""
    before = state(given_back)
    given_back.create("kept", vif='["bridge=xenbr0"]')
    given_back.wait_guest("kept")
    given_back.run(f"xl save kept {FILE}", 200)
    size = int(given_back.run(f"stat -c %s {FILE}"))
    moments = [*(f"{FILE}:{size * part // 4}" for part in range(4)), f"{FILE}:{size}",
               "xenstore-ls /local/domain/0/backend/vif | grep -q hotplug-status", "xl list kept | grep -q [rb]-----"]
    for moment in moments:
        how = given_back.run(f"kill-at '{moment}' xl restore {FILE} 2>&1", 200)
        assert "killed" in how or FILE not in moment, f"{moment}: {how}"
        given_back.destroy_all(keep=["one"])
        assert state(given_back) == before, moment
        assert given_back.guest("one", "echo alive") == "alive"
    given_back.run(f"xl restore {FILE}", 200)
    assert given_back.guest("kept", "echo alive") == "alive"
    given_back.run(f"rm {FILE}")
