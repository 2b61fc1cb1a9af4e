"""Each tiny guest boots as dom0, prints what it observed, and that is what Debian's Xen showed."""

import functools
import os
import pathlib

import pytest

import bochs
import boot
import oracle

HYPERVISOR = pathlib.Path(os.environ.get("HYPERVISOR", boot.ROOT / "build" / "hospes"))


def check(name, log_name, extra="", start=boot.boot, compare=True):
    assert HYPERVISOR.exists(), f"{HYPERVISOR} is not built"
    assert oracle.path(name).exists(), f"no record of {name}: run `make oracle GUEST={name}`"
    output = start(HYPERVISOR, name, extra)
    log = boot.ROOT / "build" / "results" / f"guest-{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output)
    problems = oracle.differences(name, boot.test_lines(output)) if compare else []
    problems += [f"complaint: {l}" for l in output.splitlines() if boot.COMPLAINT.search(l)]
    problems += boot.audit_problems(output)
    if not boot.END.search(output) and not boot.crashed(output):
        problems.append("never said DONE; end of output:\n" + output[-2000:])
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", boot.names())
def test_guest(name):
    check(name, name)


@pytest.mark.parametrize("name", boot.hardened_names())
def test_hardened(name):
    """The same with every measure against speculation that can be forced."""
    check(name, f"{name}-hardened", boot.HARDENED_UNSPLIT.get(name, boot.HARDENED))


@pytest.mark.parametrize("name, machine", bochs.cases())
def test_other_cpu(name, machine):
    """The same on CPUs that Bochs has and QEMU has not."""
    model, options = bochs.MACHINES[machine]
    if name in boot.HARDENED_UNSPLIT:
        options += " xpti=0"
    check(name, f"{name}-{machine}", options, functools.partial(bochs.run, model), bochs.comparable(name))
