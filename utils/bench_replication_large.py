"""The cases of bench-replication with much data, many hand-overs or many followers."""

import math
import signal
import time

from bench_disk import free_bytes, measure_disk
from bench_lib import RUN_SECONDS, Failure, progress, ratio, say, show
from bench_large import wait_for_snapshot
from bench_replication_pair import (LINK_SECONDS, Pair, Writer, cpu_ns, for_seconds,
                                    loopback_mb_per_second, middle, shape, shown)
from bench_table import LONG_SECONDS, STREAMS, UNBOUNDED, Watch, memory

CATCH_UP_MB = 1000
QUICK_CATCH_UP_MB = 100
LARGE_VALUE = 1024
CATCH_UP_STREAMS = 100
SYNC_ENTRIES = 5_000_000
QUICK_SYNC_ENTRIES = 500_000
BACKLOG_GB = 17
QUICK_BACKLOG_GB = 1
BACKLOG_STREAMS = 10
# Entries on both servers, their journals, and the snapshot that is being replaced.
BACKLOG_DISK_FACTOR = 4
HANDOVERS = 20
IDLE_FOLLOWERS = 100
IDLE_SECONDS = 10
# Memory stays the same under this load.
STEADY = "xadd-maxlen"
MIB = 1 << 20


def until_there(follower, end, seconds=RUN_SECONDS):
    """Starts a follower and waits until it shows what the leader had up to `end`. Seconds since
    its link stood, or since its start if it had nothing, and the position at which it began."""
    begun, first = time.monotonic(), None
    empty = follower.process is None and follower.port is None
    follower.start(LONG_SECONDS)
    with follower.client() as client:
        while True:
            try:
                info = client.info("replication")
            except Failure:  # it is loading
                info = {}
            if first is None and info.get("master_link_status") == "up":
                first = shown(info)
                if not empty:
                    begun = time.monotonic()
            if first is not None and shown(info) >= end:
                return time.monotonic() - begun, first
            if time.monotonic() - begun > seconds:
                raise Failure(f"no end: {info.get('replication_error')}")
            time.sleep(0.005)


def interrupt(table, server, child):
    """Ends a load; its result."""
    child.send_signal(signal.SIGINT)
    return table.bench.finish(server, child)[0]


def say_limits(table):
    disk = measure_disk(table.directory, 64 if table.options.quick else 512, 100)
    say(f"  (the disk writes {disk['write_mb_per_second']:.0f} MB/s and reads "
        f"{disk['read_mb_per_second']:.0f} MB/s in sequence; the loopback carries "
        f"{loopback_mb_per_second():.0f} MB/s)")


def compare_catch_up(table):
    """A follower that was away gets what was written meanwhile out of files."""
    quick = table.options.quick
    megabytes = QUICK_CATCH_UP_MB if quick else CATCH_UP_MB
    pair = Pair(table, 0, table.names[0], repl_backlog_size="8gb")
    [follower] = pair.followers
    pair.start()
    rate = pair.half_load(STEADY)

    def measure(pair):
        pair.start()
        follower.kill()
        progress(f"replication-catch-up: {megabytes} MB are written")
        table.fill(pair.leader, megabytes * 1_000_000 // LARGE_VALUE, LARGE_VALUE,
                   CATCH_UP_STREAMS)
        quiet = table.bench.finish(pair.leader, pair.offer(STEADY, rate, "--seconds",
                                                           1 if quick else 4))[0]
        end = pair.end()
        watch = Watch(pair.leader)
        before = watch.peak["RssAnon"]
        watch.start()
        load = pair.offer(STEADY, rate)
        seconds, first = until_there(follower, end)
        busy = interrupt(table, pair.leader, load)
        grown = watch.end()["RssAnon"] - before
        pair.empty()
        return [{"bytes": end - first, "seconds": seconds, "quiet": quiet, "busy": busy,
                 "grown": grown, "speed": (end - first) / 1e6 / seconds,
                 "p99": busy["latency_us"]["p99"] / quiet["latency_us"]["p99"]}]

    title = f"replication-catch-up: {megabytes} MB of values while it was away, half load"
    runs = table.bench.rounds(title, min(table.options.rounds, 3), measure, [pair])
    table.results[title] = runs
    say(f"\n{title}")
    for [run] in runs[pair.name]:
        say(f"  {run['bytes'] / 1e6:.0f} MB of journal in {run['seconds']:.1f} s; {rate:.0f} "
            f"requests/s on the leader, p99 {run['quiet']['latency_us']['p99']:.0f} us before and "
            f"{run['busy']['latency_us']['p99']:.0f} us then; its memory "
            f"{run['grown'] / MIB:+.0f} MiB")
    say_limits(table)
    table.check("MB/s", middle(runs[pair.name], "speed"), 200, True)
    table.check("leader's p99 against quiet", middle(runs[pair.name], "p99"), 2, False)
    table.check("leader's memory, MiB", in_mib(middle(runs[pair.name], "grown")), 32, False)


def in_mib(value):
    return None if value is None else value / MIB


def take_snapshot(server):
    with server.client() as client:
        client.ask("BGREWRITEAOF")
        wait_for_snapshot(client)


def compare_sync(table):
    """A follower without data comes to a leader whose journal does not reach back to its start."""
    entries = QUICK_SYNC_ENTRIES if table.options.quick else SYNC_ENTRIES
    ours = Pair(table, 0, table.names[0], followers=0, snapshots_kept=1)
    # It does not wait for further replicas before it begins.
    theirs = Pair(table, 1, table.names[1], followers=0,
                  theirs=("--repl-diskless-sync-delay", "0"))
    pairs, rates = [ours, theirs], {}
    for pair in pairs:
        pair.leader.start()
        progress(f"replication-sync: filling {pair.name}")
        table.fill(pair.leader, entries, table.options.value_size)
        take_snapshot(pair.leader)
        rates[pair.name] = pair.half_load(STEADY)
    number = [0]

    def measure(pair):
        number[0] += 1
        follower = pair.add_follower(number[0])
        watch = Watch(pair.leader)
        before = watch.peak["RssAnon"]
        end = pair.end()
        watch.start()
        load = pair.offer(STEADY, rates[pair.name])
        seconds, _ = until_there(follower, end)
        busy = interrupt(table, pair.leader, load)
        grown = watch.end()["RssAnon"] - before
        with follower.client() as client:
            found = client.ask("DBSIZE")
        if found <= STREAMS:
            raise Failure(f"{follower.name} has {found} keys, not more than {STREAMS}")
        pair.followers.remove(follower)
        table.servers.remove(follower)
        follower.remove()
        return [{"seconds": seconds, "busy": busy, "grown": grown}]

    title = f"replication-sync: a new follower, {entries} entries in {STREAMS} streams, half load"
    runs = table.bench.rounds(title, min(table.options.rounds, 3), measure, pairs)
    table.results[title] = {"rates": rates, "rounds": runs}
    say(f"\n{title}")
    say(f"  {'':<28}{'offered/s':>11}{'seconds':>9}{'p50 us':>9}{'p99 us':>9}{'p99.9 us':>10}"
        f"{'leader MiB':>12}")
    for pair in pairs:
        lines = runs[pair.name]
        say(f"  {pair.name:<28}{rates[pair.name]:>11.0f}"
            f"{show(middle(lines, 'seconds'), '.2f', 9)}"
            + "".join(show(middle(lines, "busy", "latency_us", name), ".0f", width)
                      for name, width in (("p50", 9), ("p99", 9), ("p99.9", 10)))
            + show(in_mib(middle(lines, "grown")), "+.0f", 12))
    table.check(f"time against {theirs.name}",
                ratio(middle(runs[ours.name], "seconds"), middle(runs[theirs.name], "seconds")),
                0.5, False)
    p99_9 = "busy", "latency_us", "p99.9"
    table.check(f"leader's p99.9 against {theirs.name}",
                ratio(middle(runs[ours.name], *p99_9), middle(runs[theirs.name], *p99_9)), 0.3,
                False)
    table.check("leader's memory, MiB", in_mib(middle(runs[ours.name], "grown")), 32, False)


def compare_backlog(table):
    """The same, where most of the data is on the disk: not tried with Redis, which has it all in
    memory."""
    options = table.options
    wish = options.backlog_gb or (QUICK_BACKLOG_GB if options.quick else BACKLOG_GB)
    gigabytes = min(wish, free_bytes(table.directory) / 1e9 / BACKLOG_DISK_FACTOR)
    if gigabytes < wish:
        say(f"\nreplication-backlog: {gigabytes:.1f} GB instead of {wish:g}: it takes "
            f"{BACKLOG_DISK_FACTOR} times as much of the disk")
    pair = Pair(table, 0, table.names[0], followers=0, snapshots_kept=1, stream_memory="256mb",
                snapshot_journal_bytes="1gb")
    pair.leader.start()
    progress(f"replication-backlog: {gigabytes:.1f} GB are written")
    table.fill(pair.leader, int(gigabytes * 1e9) // LARGE_VALUE, LARGE_VALUE, BACKLOG_STREAMS)
    take_snapshot(pair.leader)
    rate = pair.half_load(STEADY)
    quiet = table.bench.finish(pair.leader, pair.offer(STEADY, rate, "--seconds", 3))[0]
    follower = pair.add_follower(1)
    end = pair.end()
    watch = Watch(pair.leader)
    before = watch.peak["RssAnon"]
    watch.start()
    load = pair.offer(STEADY, rate)
    progress("replication-backlog: a follower comes")
    seconds, _ = until_there(follower, end, LONG_SECONDS)
    busy = interrupt(table, pair.leader, load)
    grown = watch.end()["RssAnon"] - before
    title = f"replication-backlog: a new follower, {gigabytes:.1f} GB of values, half load"
    table.results[title] = {"seconds": seconds, "quiet": quiet, "busy": busy, "grown": grown}
    say(f"\n{title}")
    say(f"  {seconds:.1f} s; {rate:.0f} requests/s on the leader, p99.9 "
        f"{quiet['latency_us']['p99.9']:.0f} us before and {busy['latency_us']['p99.9']:.0f} us "
        f"then")
    say_limits(table)
    table.check("MB/s of values", gigabytes * 1000 / seconds, 200, True)
    table.check("leader's memory, MiB", in_mib(grown), 32, False)


def compare_failover(table):
    """How long one writer gets no reply while a follower takes over, beside half load."""
    pair = Pair(table, 0, table.names[0])
    # Who was told to lead is started again as a leader.
    pair.start()
    rate = pair.half_load("xadd1")
    pair.empty()
    count = 5 if table.options.quick else HANDOVERS
    stops = []
    for number in range(count):
        progress(f"replication-failover: {number + 1} of {count}")
        stops.append(hand_over(pair, rate))
    title = f"replication-failover: {count} times FAILOVER, half load"
    table.results[title] = {"rate": rate, "seconds": stops}
    ordered = sorted(stops)
    progress("")
    say(f"\n{title}")
    say(f"  {rate:.0f} requests/s; one writer waits for {1000 * ordered[0]:.1f} ms at least, "
        f"{1000 * ordered[len(ordered) // 2]:.1f} ms in the median, {1000 * ordered[-1]:.1f} ms at "
        "most")
    table.check("writes stop for ms, worst", 1000 * ordered[-1], 100, False)


def hand_over(pair, rate):
    old, [new] = pair.leader, pair.followers
    # Its connections are refused after that; what counts is that it has kept the leader busy.
    load = pair.offer("xadd1", rate, "--seconds", 3)
    writer = Writer([old, new])
    try:
        writer.start()
        time.sleep(0.5)
        writer.longest = 0
        with old.client() as client, new.client() as other:
            client.ask("FAILOVER")
            deadline = time.monotonic() + LINK_SECONDS
            while other.info("replication")["role"] != "master":
                if time.monotonic() > deadline:
                    raise Failure("FAILOVER does not end")
                time.sleep(0.002)
            writer.answered.clear()
            if not writer.answered.wait(LINK_SECONDS):
                raise Failure("the new leader answers no writer")
            time.sleep(0.1)
    finally:
        stopped = writer.end()
        load.kill()
        load.communicate()
    pair.leader, pair.followers = new, [old]
    pair.settle()
    pair.empty()
    return stopped


def compare_idle(table):
    """What a hundred followers cost that have nothing to do."""
    pair = Pair(table, 0, table.names[0], followers=0, journal_segment_bytes="4mb")
    leader = pair.leader
    leader.start()
    with leader.client() as client:
        client.ask("XADD", "bench:stream", "*", "f", "v")

    def idle():
        seconds = 2 if table.options.quick else IDLE_SECONDS
        before = cpu_ns(leader.process.pid)
        time.sleep(seconds)
        share = (cpu_ns(leader.process.pid) - before) / 1e9 / seconds
        return {"cpu": share, **memory(f"/proc/{leader.process.pid}/status")}

    alone = idle()
    for number in range(IDLE_FOLLOWERS):
        progress(f"replication-idle: follower {number + 1} of {IDLE_FOLLOWERS}")
        pair.add_follower(number).start()
    pair.settle()
    time.sleep(1)
    progress("replication-idle: nothing happens")
    with_them = idle()
    progress("")
    title = f"replication-idle: {IDLE_FOLLOWERS} followers, nothing happens"
    table.results[title] = {"alone": alone, "with": with_them}
    grown = with_them["RssAnon"] - alone["RssAnon"]
    say(f"\n{title}")
    say(f"  {100 * alone['cpu']:.2f} % of a core alone, {100 * with_them['cpu']:.2f} % with them; "
        f"memory {grown / 1024:+.0f} KiB")
    table.check("leader's memory, MiB", grown / MIB, 2, False)
    table.check("leader's CPU, % of a core", 100 * with_them["cpu"], 1, False)


LARGE_CASES = {"replication-catch-up": compare_catch_up, "replication-sync": compare_sync,
               "replication-backlog": compare_backlog, "replication-failover": compare_failover,
               "replication-idle": compare_idle}
