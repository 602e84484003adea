"""What bench and the scripts bench-* have in common.

Servers that end with the script, runs of the load tool in turns, options, how figures are printed.
"""

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MOST_CLIENTS = 15000
# Below this share of a core in use, a server was waiting for the load tool.
BUSY = 0.9
RUN_SECONDS = 300  # no single run may take longer
START_SECONDS = 10


class Failure(Exception):
    """A server or a run of the load tool went wrong; the text says how."""


class Client:
    """A connection for questions, outside of what is measured."""

    def __init__(self, port, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.input = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.input.close()
        self.socket.close()

    def ask(self, *words):
        """The reply: text, a number, None, or a list of these. An error reply is a Failure."""
        return self.ask_all([words])[0]

    def ask_all(self, requests):
        """The replies to many requests that are sent at once."""
        requests = list(requests)
        self.socket.sendall(b"".join(encode(words) for words in requests))
        return [self.reply() for _ in requests]

    def send(self, *words):
        """Asks without waiting for the reply."""
        self.socket.sendall(encode(words))

    def reply(self):
        line = self.input.readline().decode()
        if not line.endswith("\r\n"):
            raise Failure("the server closed a connection")
        kind, rest = line[0], line[1:-2]
        if kind == "-":
            raise Failure(rest)
        if kind == "+":
            return rest
        if kind == ":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == "*":
            return [self.reply() for _ in range(int(rest))]
        return self.input.read(int(rest) + 2)[:-2].decode()

    def info(self, section="everything"):
        """The fields of INFO, as text."""
        lines = self.ask("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


def encode(words):
    words = [str(word) for word in words]
    return "".join([f"*{len(words)}\r\n",
                    *(f"${len(word)}\r\n{word}\r\n" for word in words)]).encode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_child(cpu):
    """What a started process does first: it ends with this script, and stays on its core."""
    def run():
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
    return run


class Server:
    """A server process. It is started when needed and started again if it has ended.

    `arguments(port, directory)` are its options; the directory is its own.
    """

    def __init__(self, name, binary, cpu, directory, arguments, greeting=True):
        self.name = name
        self.binary = binary
        self.cpu = cpu
        self.directory = os.path.join(directory, name.replace(" ", "-"))
        self.arguments = arguments
        self.greeting = greeting
        self.process = None
        self.port = None
        os.mkdir(self.directory)

    def start(self, seconds=START_SECONDS):
        """Returns when it answers, which may take so many seconds."""
        if self.process and self.process.poll() is None:
            return
        self.port = free_port()
        log = open(self.log_path(), "wb")
        self.process = subprocess.Popen(
            [self.binary] + self.arguments(self.port, self.directory), stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, preexec_fn=in_child(self.cpu))
        log.close()
        deadline = time.monotonic() + seconds
        while not self.answers():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended at its start: {self.last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise Failure(f"{self.name} does not answer: {self.last_words()}")
            time.sleep(0.01)

    def answers(self):
        try:
            with Client(self.port, timeout=1) as client:
                return not self.greeting or client.ask("PING") == "PONG"
        except (OSError, Failure):  # Failure: it may be loading
            return False

    def client(self):
        return Client(self.port)

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self):
        """Ends it at once, as a crash would."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None

    def remove(self):
        """Ends it and removes all that it has written."""
        self.kill()
        shutil.rmtree(self.directory)

    def log_path(self):
        return os.path.join(self.directory, "log")

    def last_words(self):
        with open(self.log_path(), errors="replace") as log:
            lines = log.read().strip().splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"


class Bench:
    """Runs the load tool on its core against one server after the other."""

    def __init__(self, options, tool, cpu, servers):
        self.options = options
        self.tool = tool
        self.cpu = cpu
        self.servers = servers
        self.failures = []

    def begin(self, server, *arguments, pid=True):
        """Starts the tool; with `pid` it waits for an idle server first and measures CPU time."""
        server.start()
        if pid:
            arguments = ("--server-pid", server.process.pid, *arguments)
        command = [self.tool, "--json", "--port", str(server.port), *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, preexec_fn=in_child(self.cpu))

    def finish(self, server, child, seconds=RUN_SECONDS):
        """The tool's results, one dictionary per line that it prints."""
        try:
            out, err = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"no end after {seconds} seconds") from late
        finally:
            child.kill()
            child.wait()
        if child.returncode != 0:
            reason = err.strip() or f"the load tool ended with status {child.returncode}"
            if server.process.poll() is not None:
                reason += f" ({server.name} has ended: {server.last_words()})"
            raise Failure(reason)
        return [json.loads(line) for line in out.splitlines()]

    def run(self, server, *arguments, pid=True, seconds=RUN_SECONDS):
        return self.finish(server, self.begin(server, *arguments, pid=pid), seconds)

    def rounds(self, name, count, measure, servers=None):
        """Calls measure(server) for all servers `count` times in turns; a list of what it returned
        per server name.

        A server that fails has an empty list, and the failure is noted.
        """
        servers = servers or self.servers
        results = {server.name: [] for server in servers}
        failed = set()
        for number in range(count):
            # The one that goes first changes, so that a machine that slows down favours nobody.
            for server in servers if number % 2 == 0 else servers[::-1]:
                if server.name in failed:
                    continue
                progress(f"{name}: {server.name}, round {number + 1} of {count}")
                try:
                    results[server.name].append(measure(server))
                except Failure as failure:
                    failed.add(server.name)
                    results[server.name] = []
                    self.failures.append(f"{name} with {server.name}: {failure}")
                    server.kill()
        progress("")
        return results


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def say(text=""):
    print(text, flush=True)


def median(runs, *path):
    """The median over rounds of one number of single-line results; None without rounds."""
    values = []
    for lines in runs:
        value = lines[0]
        for key in path:
            value = value[key]
        values.append(value)
    return statistics.median(values) if values else None


def ratio(ours, theirs):
    return ours / theirs if ours is not None and theirs else None


def show(value, form, width):
    return f"{'-' if value is None else format(value, form):>{width}}"


def summary(runs):
    """The medians of the rounds of one server."""
    latency = {key: median(runs, "latency_us", key) for key in ("p50", "p99", "p99.9")}
    return {"rate": median(runs, "requests_per_second"), "cpu_ns": median(runs, "server_cpu_ns"),
            "busy": median(runs, "server_busy"), "latency_us": latency}


def wanted(options, case):
    return not options.case or case in options.case or case.split("-")[0] in options.case


def parse_options(description):
    """The options of all scripts, so that `make bench` can give all of them to each."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--server", default=os.path.join(ROOT, "build/release/runnel-server"),
                        help="the server that is judged")
    parser.add_argument("--against", default="redis-server", help="the server to compare with")
    parser.add_argument("--tools", default=os.path.join(ROOT, "build/release"),
                        help="the folder of runnel-bench and runnel-floor")
    parser.add_argument("--case", nargs="+", metavar="CASE",
                        help="only these; README.md tells the names. A script that has none of "
                        "them does nothing")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--value-size", type=int, default=100)
    parser.add_argument("--rounds", type=int, help="of each case with each server")
    parser.add_argument("--scale", type=float, help="times the usual numbers of requests (0.5)")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes")
    parser.add_argument("--json", metavar="FILE",
                        help="write all results of all rounds there; the other scripts write to "
                        "FILE.durability, FILE.topics, FILE.replication and FILE.frameworks")
    only = parser.add_argument_group("bench only")
    only.add_argument("--pipeline", nargs="+", type=int, metavar="N",
                      help="all cases at these pipelines instead of those of the targets")
    only.add_argument("--floor", action="store_true", help="measure the floor server too")
    only = parser.add_argument_group("not for bench")
    only.add_argument("--directory", default=tempfile.gettempdir(),
                      help="where the servers' files go, on the disk to be measured (%(default)s)")
    only.add_argument("--backlog-gb", type=float,
                      help="of the cases backlog and topic-backlog (20), replication-backlog (17)")
    only.add_argument("--before", metavar="SERVER",
                      help="of the case replication-none: a server of before there were followers")
    only = parser.add_argument_group("bench-frameworks only")
    only.add_argument("--verbose", action="store_true", help="show the commands of a job")
    only.add_argument("--node", default=os.path.join(ROOT, "build/node"),
                      help="the folder of Node's packages")
    options = parser.parse_args()
    options.scale = options.scale or (0.25 if options.quick else 0.5)
    return options


def find_binary(name):
    path = shutil.which(name)
    if path is None:
        sys.exit(f"bench: there is no {name}; build it (make) or name another")
    return path


def choose_cores():
    """One core for the server and one for the load tool, or None for both if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[-1]) if len(cores) > 1 else (None, None)


def choose_servers(options):
    """Names and paths of the two servers; says which they are."""
    binaries = [find_binary(options.server), find_binary(options.against)]
    names = [os.path.basename(binary).removesuffix("-server") for binary in binaries]
    if names[0] == names[1]:
        names[1] += "-2"
    for name, binary in zip(names, binaries):
        say(f"{name}: {binary}")
    return names, binaries


def say_cores(server_cpu, tool_cpu):
    say("one core only: servers and load tool share it" if server_cpu is None else
        f"server on core {server_cpu}, load tool on core {tool_cpu}; load average "
        f"{os.getloadavg()[0]:.2f} before the start")


@contextlib.contextmanager
def workshop(parent=None):
    """A directory that is gone afterwards, also when this script is told to end."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit("bench: told to end"))
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    with tempfile.TemporaryDirectory(prefix="runnel-bench-", dir=parent) as directory:
        yield directory


def conclude(failures, results, path):
    """Writes the results if there is a path, says what failed, and ends the script."""
    if path:
        with open(path, "w") as out:
            json.dump(results, out, indent=1)
    for failure in failures:
        say(f"failed: {failure}")
    sys.exit(1 if failures else 0)
