"""The cases of bench-replication. The name of each begins with `replication-`."""

import statistics
import threading
import time

from bench_lib import RUN_SECONDS, Failure, progress, ratio, say, show
from bench_table import LONG_SECONDS, UNBOUNDED, Watch

LINK_SECONDS = 30  # for a follower that is empty to be there
PROBE = "bench:probe"  # a stream
PROBE_EVERY_S = 0.002
CATCH_UP_MB = 1000
QUICK_CATCH_UP_MB = 100
CATCH_UP_VALUE = 1024
STREAMS = 100  # of the case catch-up


class Pair:
    """A leader and its followers, one or none."""

    def __init__(self, table, which, name, followers=1, **own):
        self.table = table
        self.name = name
        self.leader = table.server(which, name, pinned=False, **own)
        self.followers = [self.follower(which, f"{name} follower {number}", own)
                          for number in range(followers)]

    def follower(self, which, name, own):
        server = self.table.server(which, name, pinned=False, **own)
        arguments = server.arguments
        server.arguments = lambda *where: [*arguments(*where), "--replicaof", "127.0.0.1",
                                           str(self.leader.port)]
        return server

    def start(self):
        """Returns when the followers have all that the leader has."""
        self.leader.start()
        for follower in self.followers:
            follower.start()
        self.settle()

    def settle(self, seconds=LINK_SECONDS):
        """Waits until the followers show all that the leader has written until now."""
        with self.leader.client() as client:
            end = int(client.info("replication")["master_repl_offset"])
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
        line = self.table.bench.run(self.leader, *arguments, "--keep", "-c",
                                    self.table.options.connections, "-d",
                                    self.table.options.value_size)[0]
        self.settle()
        line["follower_cpu_ns"] = (self.follower_cpu_ns() - before) / line["requests"]
        self.empty()
        return [line]


def shown(info):
    """Up to which position a follower shows the changes of its leader."""
    return int(info.get("replication_applied_position", info["slave_repl_offset"]))


def cpu_ns(pid):
    """The CPU time of a process, with all its threads."""
    sched = 2
    return time.clock_gettime_ns((~pid << 3) | sched)


def for_seconds(table, seconds):
    return "-n", UNBOUNDED, "--seconds", 1 if table.options.quick else seconds


def middle(runs, key):
    values = [lines[0][key] for lines in runs if lines[0].get(key) is not None]
    return statistics.median(values) if values else None


def compare_load(table):
    alone = Pair(table, 0, f"{table.names[0]} without follower", followers=0)
    ours = Pair(table, 0, table.names[0])
    theirs = Pair(table, 1, table.names[1])
    pairs = [alone, ours, theirs]
    for pipeline, most in ((16, 1.15), (64, 1.25)):
        title = f"replication-load: XADD, pipeline {pipeline}, one follower, everysec on both"
        runs = table.bench.rounds(
            title, table.options.rounds,
            lambda pair, p=pipeline: pair.load("xadd1", "-P", p, *for_seconds(table, 3)), pairs)
        table.results[title] = runs
        say(f"\n{title}")
        say(f"  {'':<28}{'requests/s':>11}{'leader CPU ns':>15}{'follower CPU ns':>17}"
            f"{'p50 us':>9}{'p99 us':>9}")
        figures = {}
        for pair in pairs:
            lines = runs[pair.name]
            rate, leader = middle(lines, "requests_per_second"), middle(lines, "server_cpu_ns")
            follower = middle(lines, "follower_cpu_ns") if pair.followers else None
            latency = [lines_[0]["latency_us"] for lines_ in lines]
            p50, p99 = (statistics.median(each[name] for each in latency) if latency else None
                        for name in ("p50", "p99"))
            say(f"  {pair.name:<28}{show(rate, '.0f', 11)}{show(leader, '.0f', 15)}"
                f"{show(follower, '.0f', 17)}{show(p50, '.0f', 9)}{show(p99, '.0f', 9)}")
            figures[pair.name] = (rate, leader, follower)
        _, cpu_alone, _ = figures[alone.name]
        rate, leader, follower = figures[ours.name]
        their_rate, _, their_follower = figures[theirs.name]
        table.check("leader's CPU against no follower", ratio(leader, cpu_alone), most, False)
        table.check("follower's CPU against its leader's", ratio(follower, leader), 0.8, False)
        table.check(f"follower's CPU against {theirs.name}'s replica",
                    ratio(follower, their_follower), 0.3, False)
        table.check(f"requests/s against {theirs.name} with a replica", ratio(rate, their_rate),
                    2.5, True)


class Probe(threading.Thread):
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


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else None


def compare_lag(table):
    pairs = [Pair(table, 0, table.names[0]), Pair(table, 1, table.names[1])]
    seconds = 2 if table.options.quick else 6
    half = {}
    for pair in pairs:
        progress(f"replication-lag: what {pair.name} reaches")
        most = pair.load("xadd1", "-P", 1, *for_seconds(table, 3))
        half[pair.name] = most[0]["requests_per_second"] / 2

    def measure(pair):
        pair.start()
        rate = half[pair.name]
        load = table.bench.begin(pair.leader, "xadd1", "--keep", "-P", 1, "-c",
                                 table.options.connections, "-d", table.options.value_size,
                                 "--rate", rate, "-n", int(rate * seconds), pid=False)
        probe = Probe(pair)
        probe.start()
        lines = table.bench.finish(pair.leader, load)
        lines[0]["lag_us"] = probe.end()
        pair.empty()
        return lines

    title = "replication-lag: XADD on the leader to XREAD BLOCK on the follower, half load"
    runs = table.bench.rounds(title, min(table.options.rounds, 3), measure, pairs)
    say(f"\n{title}")
    say(f"  {'':<28}{'offered/s':>11}{'samples':>9}{'p50 us':>9}{'p99 us':>9}")
    p99 = {}
    for pair in pairs:
        samples = [took for lines in runs[pair.name] for took in lines[0]["lag_us"]]
        p99[pair.name] = percentile(samples, 99)
        say(f"  {pair.name:<28}{half[pair.name]:>11.0f}{len(samples):>9}"
            f"{show(percentile(samples, 50), '.0f', 9)}{show(p99[pair.name], '.0f', 9)}")
    table.results[title] = {name: [lines[0]["lag_us"] for lines in each]
                            for name, each in runs.items()}
    table.check(f"p99 of the lag against {pairs[1].name}",
                ratio(p99[pairs[0].name], p99[pairs[1].name]), 0.5, False)


def compare_catch_up(table):
    """A follower that was away gets what was written meanwhile out of files."""
    quick = table.options.quick
    megabytes = QUICK_CATCH_UP_MB if quick else CATCH_UP_MB
    pair = Pair(table, 0, table.names[0], repl_backlog_size="8gb", stream_memory=64 << 20)
    [follower] = pair.followers
    pair.start()
    load = ["xadd-streams", "--keep", "--keys", STREAMS, "-P", 1, "-c", table.options.connections,
            "-d", table.options.value_size]
    progress("replication-catch-up: what the leader reaches")
    most = table.bench.run(pair.leader, *load, "-n", UNBOUNDED, "--seconds", 2)[0]
    rate = most["requests_per_second"] / 2
    pair.settle()
    follower.kill()
    progress(f"replication-catch-up: {megabytes} MB are written")
    table.fill(pair.leader, megabytes * 1_000_000 // CATCH_UP_VALUE, CATCH_UP_VALUE, STREAMS)
    quiet_seconds = 2 if quick else 5
    quiet = table.bench.run(pair.leader, *load, "--rate", rate, "-n",
                            int(rate * quiet_seconds))[0]
    with pair.leader.client() as client:
        end = int(client.info("replication")["master_repl_offset"])
    watch = Watch(pair.leader)
    before = watch.peak["RssAnon"]
    watch.start()
    child = table.bench.begin(pair.leader, *load, "--rate", rate, "-n",
                              int(rate * LONG_SECONDS), "--seconds", 4 if quick else 15, pid=False)
    begun, first, seconds = time.monotonic(), None, None
    follower.start(LONG_SECONDS)
    with follower.client() as client:
        while seconds is None:
            info = client.info("replication")
            if first is None and info.get("master_link_status") == "up":
                begun, first = time.monotonic(), shown(info)
            if first is not None and shown(info) >= end:
                seconds = time.monotonic() - begun
            elif time.monotonic() - begun > RUN_SECONDS:
                child.kill()
                raise Failure(f"no end: {info.get('replication_error')}")
            time.sleep(0.005)
    busy = table.bench.finish(pair.leader, child, LONG_SECONDS)[0]
    grown = watch.end()["RssAnon"] - before
    speed = (end - first) / 1e6 / seconds
    title = f"replication-catch-up: {megabytes} MB of values while it was away, half load"
    say(f"\n{title}")
    say(f"  {(end - first) / 1e6:.0f} MB of journal in {seconds:.1f} s; the leader's p99 "
        f"{quiet['latency_us']['p99']:.0f} us before and {busy['latency_us']['p99']:.0f} us then, "
        f"its memory {grown / 1e6:+.0f} MB, with what was added meanwhile")
    table.results[title] = {"bytes": end - first, "seconds": seconds, "quiet": quiet, "busy": busy,
                            "grown": grown}
    table.check("MB/s", speed, 200, True)
    table.check("leader's p99 against quiet",
                ratio(busy["latency_us"]["p99"], quiet["latency_us"]["p99"]), 2, False)


CASES = {"replication-load": compare_load, "replication-lag": compare_lag,
         "replication-catch-up": compare_catch_up}
