"""What the cases of bench-replication share: leaders with followers, and probes beside a load."""

import contextlib
import os
import socket
import statistics
import threading
import time

from bench_lib import Failure, progress
from bench_table import UNBOUNDED, is_runnel

LINK_SECONDS = 30  # for a follower that is empty to be there
PROBE = "bench:probe"  # a stream
PROBE_EVERY_S = 0.002


class Pair:
    """A leader and its followers: none, one or many. `own` are directives that only Runnel has, and
    `policy`; `theirs` are words for the command line of any other server."""

    def __init__(self, table, which, name, followers=1, theirs=(), **own):
        self.table = table
        self.name = name
        self.which = which
        self.ours = is_runnel(table.binaries[which])
        self.theirs = [] if self.ours else list(theirs)
        self.own = own
        self.leader = self.server(name)
        self.followers = []
        for number in range(followers):
            self.add_follower(number)

    def server(self, name, *words):
        server = self.table.server(self.which, name, pinned=False, **self.own)
        arguments = server.arguments
        server.arguments = lambda *where: [*arguments(*where), *self.theirs,
                                           *(word() for word in words)]
        return server

    def add_follower(self, number):
        """One that is empty, and not started."""
        follower = self.server(f"{self.name} follower {number}", lambda: "--replicaof",
                               lambda: "127.0.0.1", lambda: str(self.leader.port))
        self.followers.append(follower)
        return follower

    def start(self):
        """Returns when the followers have all that the leader has."""
        self.leader.start()
        for follower in self.followers:
            follower.start()
        self.settle()

    def end(self):
        """Position of the leader's end."""
        with self.leader.client() as client:
            return int(client.info("replication")["master_repl_offset"])

    def settle(self, seconds=LINK_SECONDS):
        """Waits until the followers show all that the leader has written until now, and are in its
        in-sync set."""
        end = self.end()
        deadline = time.monotonic() + seconds
        for follower in self.followers:
            with follower.client() as client:
                while True:
                    info = client.info("replication")
                    if info.get("master_link_status") == "up" and shown(info) >= end:
                        break
                    if time.monotonic() > deadline:
                        raise Failure(f"{follower.name} is not where its leader is: "
                                      f"{info.get('replication_error', 'behind')}")
                    time.sleep(0.01)
        with self.leader.client() as client:
            while self.ours and self.in_sync(client) <= len(self.followers):
                if time.monotonic() > deadline:
                    raise Failure(f"followers of {self.name} are not in the in-sync set")
                time.sleep(0.01)

    @staticmethod
    def in_sync(client):
        return int(client.info("replication").get("in_sync_replicas", 10**6))

    def follower_cpu_ns(self):
        return sum(cpu_ns(follower.process.pid) for follower in self.followers)

    def empty(self):
        with self.leader.client() as client:
            client.ask("FLUSHALL")
        self.settle()

    def kill(self):
        for server in [self.leader, *self.followers]:
            server.kill()

    def load(self, *arguments):
        """One run of the load tool against the leader, with the followers' CPU time until they
        have all of it. Everything is removed afterwards."""
        self.start()
        before = self.follower_cpu_ns()
        line = self.table.bench.run(self.leader, *arguments, "--keep", *shape(self.table))[0]
        self.settle()
        line["follower_cpu_ns"] = (self.follower_cpu_ns() - before) / line["requests"]
        self.empty()
        return [line]

    def half_load(self, case):
        """Requests per second: half of what the leader reaches without a pipeline, with the
        followers that are there."""
        progress(f"{self.name}: what it reaches")
        most = self.table.bench.run(self.leader, case, "-P", 1, "--keep", *shape(self.table),
                                    *for_seconds(self.table, 3))[0]
        return most["requests_per_second"] / 2

    def offer(self, case, rate, *arguments):
        """Begins a load in an open loop, without a pipeline, that lasts until it is told to end, or
        as the arguments say; the process."""
        return self.table.bench.begin(self.leader, case, "--keep", "-P", 1, *shape(self.table),
                                      "--rate", rate, "-n", UNBOUNDED, *arguments, pid=False)


def shape(table):
    return "-c", table.options.connections, "-d", table.options.value_size


def shown(info):
    """Up to which position a follower shows the changes of its leader."""
    return int(info.get("replication_applied_position", info["slave_repl_offset"]))


def cpu_ns(pid):
    """The CPU time of a process, with all its threads."""
    sched = 2
    return time.clock_gettime_ns((~pid << 3) | sched)


def for_seconds(table, seconds):
    return "-n", UNBOUNDED, "--seconds", 1 if table.options.quick else seconds


def middle(runs, *path):
    """The median of a figure over the rounds of one pair; None if no round has it."""
    values = []
    for lines in runs:
        value = lines[0]
        for key in path:
            value = value.get(key) if value is not None else None
        if value is not None:
            values.append(value)
    return statistics.median(values) if values else None


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else None


class LagProbe(threading.Thread):
    """Adds an entry to a stream on the leader every few milliseconds; a reader that is blocked on
    the follower notes how long each took to come there, in microseconds."""

    def __init__(self, pair):
        super().__init__(daemon=True)
        self.writer = pair.leader.client()
        self.reader = pair.followers[0].client()
        self.over = threading.Event()
        self.took = []
        self.reading = threading.Thread(target=self.read, daemon=True)
        self.failure = None

    def run(self):
        self.reading.start()
        try:
            while not self.over.wait(PROBE_EVERY_S):
                self.writer.ask("XADD", PROBE, "*", "t", time.monotonic_ns())
            self.writer.ask("XADD", PROBE, "*", "t", "end")
        except (OSError, Failure) as failure:
            self.failure = failure

    def read(self):
        last = "0"
        try:
            while True:
                [[_, entries]] = self.reader.ask("XREAD", "BLOCK", 20_000, "STREAMS", PROBE, last)
                now = time.monotonic_ns()
                for last, [_, sent] in entries:
                    if sent == "end":
                        return
                    self.took.append((now - int(sent)) / 1000)
        except (OSError, TypeError, Failure) as failure:
            self.failure = failure

    def end(self):
        """The times of all entries."""
        self.over.set()
        self.join()
        self.reading.join()
        self.writer.__exit__()
        self.reader.__exit__()
        if self.failure:
            raise Failure(f"probe: {self.failure}")
        return self.took


class Writer(threading.Thread):
    """Writes to one of two servers every millisecond, and to the other one when it is refused or
    disconnected. Notes the longest time from one reply to the next."""

    EVERY_S = 0.001

    def __init__(self, servers):
        super().__init__(daemon=True)
        self.servers = servers
        self.over = threading.Event()
        self.longest = 0
        self.answered = threading.Event()  # since it was cleared

    def run(self):
        last = None
        for server in self.in_turn():
            with contextlib.suppress(OSError, Failure), server.client() as client:
                while not self.over.is_set():
                    client.ask("XADD", PROBE, "MAXLEN", "~", 1000, "*", "f", "v")
                    now = time.monotonic()
                    self.longest = max(self.longest, now - (last or now))
                    last = now
                    self.answered.set()
                    time.sleep(self.EVERY_S)
            time.sleep(self.EVERY_S)

    def in_turn(self):
        while not self.over.is_set():
            yield from self.servers

    def end(self):
        """Seconds."""
        self.over.set()
        self.join()
        return self.longest


def loopback_mb_per_second(seconds=0.5):
    """What one TCP connection of this machine to itself carries, in pieces of 1 MiB."""
    taken = [0]

    def take(connection):
        buffer = bytearray(1 << 20)
        while got := connection.recv_into(buffer):
            taken[0] += got

    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as sender:
            receiver, _ = server.accept()
            with receiver:
                thread = threading.Thread(target=take, args=(receiver,))
                thread.start()
                begin = time.monotonic()
                piece = os.urandom(1 << 20)
                while time.monotonic() - begin < seconds:
                    sender.sendall(piece)
                sender.shutdown(socket.SHUT_WR)
                thread.join()
                return taken[0] / 1e6 / (time.monotonic() - begin)
