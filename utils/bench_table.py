"""What the cases of bench-durability share: servers, checks, fillings, and a watch on memory."""

import contextlib
import os
import subprocess
import threading

from bench_lib import MOST_CLIENTS, Bench, Server, find_binary, say, show

STREAMS = 1000  # that fill() appends to unless told otherwise
LONG_SECONDS = 1800  # for what takes minutes: filling, loading
UNBOUNDED = 10**12  # requests of a run that ends by its time


class Table:
    """The run: its servers, its checks, its results."""

    def __init__(self, options, names, binaries, directory, cores):
        self.options = options
        self.names = names
        self.binaries = binaries
        self.directory = directory
        self.server_cpu, tool_cpu = cores
        tool = find_binary(os.path.join(options.tools, "runnel-bench"))
        self.bench = Bench(options, tool, tool_cpu, [])
        # For what needs more than a core: helper threads write, read and load.
        self.unpinned = Bench(options, tool, None, [])
        self.servers = []
        self.checks = []
        self.results = {}
        self.disk = None

    def server(self, which, name=None, policy="everysec", pinned=True, **own):
        """A server with empty directory; `which` is 0 for the judged one. `policy` None: without
        journal. `own` are directives that only Runnel has."""
        binary = self.binaries[which]
        own = {"stream_memory": 0, "snapshot_journal_bytes": 0, **own} if is_runnel(binary) else {}
        directives = {"bind": "127.0.0.1", "save": "", "maxclients": MOST_CLIENTS,
                      "appendonly": "no" if policy is None else "yes",
                      "appendfsync": policy or "everysec", "auto_aof_rewrite_percentage": 0, **own}

        def arguments(port, directory):
            words = ["--port", str(port), "--dir", directory]
            for directive, value in directives.items():
                words += ["--" + directive.replace("_", "-"), str(value)]
            return words

        server = Server(name or self.names[which], binary, self.server_cpu if pinned else None,
                        self.directory, arguments)
        self.servers.append(server)
        return server

    def end_servers(self):
        """And removes what they have written."""
        for server in self.servers:
            server.remove()
        self.servers = []

    def check(self, text, value, limit, at_least, note=""):
        """Judges a figure as printed, that is, with two digits."""
        if value is None:
            verdict = "failed"
        else:
            met = round(value, 2) >= limit if at_least else round(value, 2) <= limit
            verdict = "met" if met else "MISSED"
        bound = "at least" if at_least else "at most"
        say(f"    {text:<52}{show(value, '.2f', 9)}   {bound:<8} {limit:<6g} {verdict}{note}")
        self.checks.append({"check": text, "value": value, "limit": limit, "at_least": at_least,
                            "verdict": verdict})

    def fill(self, server, entries, value_size, streams=STREAMS, seconds=None, pid=True):
        """Appends entries to streams in turn as fast as they are taken; the tool's result."""
        tool = self.bench if server.cpu is not None else self.unpinned
        return tool.run(server, *fill_arguments(entries, value_size, streams, seconds), pid=pid,
                        seconds=LONG_SECONDS)[0]


def fill_arguments(entries, value_size, streams, seconds=None):
    arguments = ["xadd-streams", "--keep", "-n", entries, "-c", 10, "-P", 64, "-d", value_size,
                 "--keys", streams]
    return arguments + (["--seconds", seconds] if seconds else [])


def is_runnel(binary):
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    return version.stdout.startswith("Runnel")


def log_bytes(client):
    """How much a server has written to its log since it has been there."""
    info = client.info("persistence")
    if "journal_end_position" in info:
        return int(info["journal_end_position"])
    return int(info.get("aof_current_size", 0)) + int(info.get("aof_buffer_length", 0))


def entries_in(client, streams):
    """How many entries the streams of the load tool's case xadd-streams have."""
    return sum(client.ask_all(["XLEN", f"bench:stream:{10**9 + i}"] for i in range(streams)))


class Watch(threading.Thread):
    """Notes the most memory that a server takes, from start() to end()."""

    PERIOD = 0.05

    def __init__(self, server):
        super().__init__(daemon=True)
        self.path = f"/proc/{server.process.pid}/status"
        self.over = threading.Event()
        self.peak = memory(self.path)

    def run(self):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while not self.over.wait(self.PERIOD):
                self.peak = {key: max(value, self.peak[key])
                             for key, value in memory(self.path).items()}

    def end(self):
        """Bytes by name: VmRSS and RssAnon."""
        self.over.set()
        self.join()
        return self.peak


def memory(path):
    with open(path) as status:
        fields = dict(line.split(":", 1) for line in status)
    return {key: int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "RssAnon")}
