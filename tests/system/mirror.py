"""An HTTP server for machines under test: Debian's archive, single packages, and files, all through this host's apt.

    /debian/PATH         the archive's file of that name, fetched by apt's own means from the mirror that apt uses here
    /package/NAME        the package of that name, binary or of the installer (udeb), checked by apt's keys
    /NAME                a file of the directories given

What is in pool/ never changes and is kept in build/mirror for the next time; the lists are fetched anew each time.
"""

import http.server
import subprocess
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

from machine import BUILD

CACHE = BUILD / "mirror"
SUITE = "bookworm"
# What QEMU's user network calls this host.
HOST = "10.0.2.2"


def apt_source():
    """Address of the Debian archive, and the options that belong to it, as apt is set up here."""
    lines = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)|$(SIGNED_BY)",
                            "Created-By: Packages"], capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        origin, codename, component, address, keys = line.split("|")
        if (origin, codename, component) == ("Debian", SUITE, "main"):
            return address, f"[signed-by={keys}] " if keys.startswith("/") else ""
    raise AssertionError(f"apt knows no source of Debian {SUITE} on this machine")


class Archive:
    """Fetches, one file at a time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.address, self.keys = apt_source()
        self.fresh = set()
        self.options = []

    def file(self, path):
        """The archive's file at a path, or None."""
        target = CACHE / path
        with self.lock:
            if not (target.exists() and (path.startswith("pool/") or path in self.fresh)):
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_name(target.name + ".partial")
                done = subprocess.run(["/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root", "download-file",
                                       f"{self.address.rstrip('/')}/{path}", str(partial)], capture_output=True, check=False)
                if done.returncode:
                    return None
                partial.rename(target)
                self.fresh.add(path)
        return target

    def lists(self):
        """Have apt know the installer's packages too, in lists of our own; returns its options."""
        if not self.options:
            state = (CACHE / "apt").resolve()
            for name in ("lists/partial", "archives/partial"):
                (state / name).mkdir(parents=True, exist_ok=True)
            (state / "sources.list").write_text(f"deb {self.keys}{self.address} {SUITE} main main/debian-installer\n")
            options = [f"-oDir::Etc::sourcelist={state}/sources.list", "-oDir::Etc::sourceparts=/dev/null",
                       f"-oDir::State::lists={state}/lists", f"-oDir::Cache={state}", "-oAPT::Sandbox::User=root"]
            subprocess.run(["apt-get", *options, "-q", "update"], capture_output=True, check=True)
            self.options = options
        return self.options

    def package(self, name):
        """A package by its name, or None."""
        directory = CACHE / "package" / name
        with self.lock:
            if name not in self.fresh:
                subprocess.run(["rm", "-rf", str(directory)], check=True)
                directory.mkdir(parents=True)
                if subprocess.run(["apt-get", *self.lists(), "-q", "download", name], cwd=directory, capture_output=True,
                                  check=False).returncode:
                    return None
                self.fresh.add(name)
            return next(directory.iterdir())


class Mirror(http.server.ThreadingHTTPServer):
    """Serves from a thread of its own while it is used as a context manager."""

    daemon_threads = True

    def __init__(self, *directories):
        self.archive = Archive()
        self.directories = directories
        self.missing = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://{HOST}:{self.server_port}"

    def find(self, path):
        kind, _, rest = path.partition("/")
        if ".." in path.split("/"):
            return None
        if kind == "debian":
            return self.archive.file(rest)
        if kind == "package":
            return self.archive.package(rest)
        return next((directory / path for directory in self.directories if (directory / path).is_file()), None)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        path = unquote(urlsplit(self.path).path).lstrip("/")
        found = self.server.find(path)
        if not found:
            self.server.missing.append(path)
            self.send_error(404)
            return
        body = Path(found).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        pass
