"""The cases of bench-durability with much data: snapshots, restarts, backlogs."""

import statistics
import threading
import time

from bench_disk import bytes_below, forget_directory, free_bytes
from bench_lib import Failure, progress, ratio, say, show
from bench_table import (LONG_SECONDS, STREAMS, UNBOUNDED, Watch, entries_in, fill_arguments,
                         log_bytes)

ENTRIES = 5_000_000  # of the cases snapshot and restart
QUICK_ENTRIES = 500_000
JOURNAL_AFTER = 200_000_000  # bytes after the snapshot (case restart)
QUICK_JOURNAL_AFTER = 20_000_000
BACKLOG_GB = 20
QUICK_BACKLOG_GB = 2
BACKLOG_VALUE = 1024
BACKLOG_STREAMS = 10
IN_MEMORY_GB = 4  # of the backlog's shape, where all of it is in memory
# Journal, entries and the files of a snapshot that is being replaced.
BACKLOG_DISK_FACTOR = 3


def wait_for_snapshot(client):
    """Returns when the snapshot that was begun is on the disk; the fields of INFO."""
    while True:
        info = client.info("persistence")
        if info["aof_rewrite_in_progress"] == info["aof_rewrite_scheduled"] == "0":
            break
        time.sleep(0.03)
    if info["aof_last_bgrewrite_status"] != "ok":
        raise Failure("a snapshot failed")
    return info


class Saving(threading.Thread):
    """Has a server take one snapshot after the other from start() to end()."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client = server.client()
        self.over = threading.Event()
        self.begun = threading.Event()
        self.count = 0
        self.copied = 0  # bytes that a child process had of its own, where there is one
        self.failure = None

    def run(self):
        try:
            while not self.over.is_set():
                self.client.ask("BGREWRITEAOF")
                self.begun.set()
                info = wait_for_snapshot(self.client)
                self.count += 1
                self.copied = max(self.copied, int(info.get("aof_last_cow_size", 0)))
        except (OSError, Failure) as failure:
            self.failure = failure
            self.begun.set()

    def end(self):
        """Waits for the snapshot that is being taken."""
        self.over.set()
        self.join()
        if self.failure:
            raise Failure(f"snapshot: {self.failure}")


def used_memory(client):
    return int(client.info("memory")["used_memory"])


def compare_snapshot(table):
    options = table.options
    entries = QUICK_ENTRIES if options.quick else ENTRIES
    seconds = 3 if options.quick else 8
    servers = [table.server(0), table.server(1)]
    load = ["xadd-streams", "--keep", "--keys", STREAMS, "-P", 1, "-c", options.connections, "-d",
            options.value_size]
    rates = {}
    for server in servers:
        progress(f"snapshot: filling {server.name}")
        server.start()
        table.fill(server, entries, options.value_size)
        most = table.bench.run(server, *load, "-n", UNBOUNDED, "--seconds", seconds)[0]
        rates[server.name] = most["requests_per_second"] / 2

    def measure(server):
        rate = rates[server.name]
        offered = [*load, "--rate", rate, "-n", int(rate * seconds)]
        quiet = table.bench.run(server, *offered)[0]
        with server.client() as client:
            used = used_memory(client)
            watch, saving = Watch(server), Saving(server)
            before = watch.peak["VmRSS"]
            watch.start()
            saving.start()
            saving.begun.wait()
            # Without the server's CPU time: the tool would wait for it to be idle.
            busy = table.bench.run(server, *offered, pid=False)[0]
            saving.end()
            grown = used_memory(client) - used
        extra = watch.end()["VmRSS"] - before - grown + saving.copied
        return {"quiet": quiet, "saving": busy, "snapshots": saving.count, "resident": before,
                "extra": extra}

    rounds = table.bench.rounds("snapshot", min(options.rounds, 3), measure, servers)
    say(f"\nsnapshot: XADD at half load, pipeline 1, {entries} entries in {STREAMS} streams, "
        f"everysec;\nmedians of runs of {seconds} s, without and during snapshots (BGREWRITEAOF)")
    table.results["snapshot"] = {"rates": rates, "rounds": rounds}
    judge_snapshot(table, servers, rates, rounds)


def judge_snapshot(table, servers, rates, rounds):
    percentiles = ("p50", "p99", "p99.9")
    say(f"  {'':<24}{'':>10}{'quiet, us':^30}{'during snapshots, us':^30}{'':>10}{'extra':>8}"
        f"{'resident':>10}")
    say(f"  {'':<24}{'offered/s':>10}" + "".join(f"{name:>10}" for name in percentiles) * 2
        + f"{'snapshots':>10}{'MB':>8}{'MB':>10}")
    tails = []
    for server in servers:
        runs = rounds[server.name]
        latency = [middle(run[which]["latency_us"][name] for run in runs)
                   for which in ("quiet", "saving") for name in percentiles]
        extra = middle(run["extra"] / 1e6 for run in runs)
        resident = middle(run["resident"] / 1e6 for run in runs)
        say(f"  {server.name:<24}{rates[server.name]:>10.0f}"
            + "".join(show(value, ".0f", 10) for value in latency)
            + show(middle(run["snapshots"] for run in runs), ".0f", 10) + show(extra, ".0f", 8)
            + show(resident, ".0f", 10))
        tails.append((latency[2], latency[5], ratio(extra, resident)))
    (quiet, saving, extra), (_, its_saving, _) = tails
    table.check("p99.9 against the quiet one", ratio(saving, quiet), 2, False)
    table.check(f"p99.9 against {servers[1].name}", ratio(saving, its_saving), 0.3, False)
    table.check("extra memory, as a share of the resident", extra, 0.1, False)


def middle(values):
    """Their median; None if there is none."""
    values = list(values)
    return statistics.median(values) if values else None


def time_restart(server, count, expected):
    """Seconds from the start of the process, after SIGKILL, to its PONG. It is a Failure if
    count(client) does not give the expected number of entries then."""
    server.kill()
    begin = time.monotonic()
    server.start(LONG_SECONDS)
    seconds = time.monotonic() - begin
    with server.client() as client:
        found = count(client)
    if found != expected:
        raise Failure(f"{found} entries after the restart, not {expected}")
    return seconds


def compare_restart(table):
    options = table.options
    entries, after = ((QUICK_ENTRIES, QUICK_JOURNAL_AFTER) if options.quick else
                      (ENTRIES, JOURNAL_AFTER))
    servers = [table.server(which, pinned=False) for which in (0, 1)]
    more = None
    for server in servers:
        progress(f"restart: filling {server.name}")
        server.start()
        table.fill(server, entries, options.value_size)
        with server.client() as client:
            # As many entries for both: those that make so many bytes of the first one's journal.
            more = more or int(after / (log_bytes(client) / entries))
            client.ask("BGREWRITEAOF")
            wait_for_snapshot(client)
        table.fill(server, more, options.value_size)

    def measure(server):
        seconds = time_restart(server, lambda client: entries_in(client, STREAMS), entries + more)
        return {"seconds": seconds, "disk_bytes": bytes_below(server.directory)}

    rounds = table.unpinned.rounds("restart", min(options.rounds, 3), measure, servers)
    table.results["restart"] = rounds
    say(f"\nrestart: {entries} entries in {STREAMS} streams in the snapshot, {more} after it;\n"
        "from the start of the process (after SIGKILL, files in the system's cache) to its PONG")
    say(f"  {'':<24}{'seconds':>9}{'entries/s':>12}{'MB on disk':>12}")
    medians = []
    for server in servers:
        runs = rounds[server.name]
        took = middle(run["seconds"] for run in runs)
        size = middle(run["disk_bytes"] / 1e6 for run in runs)
        medians.append(took)
        say(f"  {server.name:<24}{show(took, '.2f', 9)}"
            f"{show(ratio(entries + more, took), '.0f', 12)}{show(size, '.0f', 12)}")
    table.check(f"seconds against {servers[1].name}", ratio(*medians), 0.25, False)


def choose_backlog(table):
    """Gigabytes of values that the disk has room for."""
    options = table.options
    wish = options.backlog_gb or (QUICK_BACKLOG_GB if options.quick else BACKLOG_GB)
    free = free_bytes(table.directory) / 1e9
    most = free / BACKLOG_DISK_FACTOR
    if wish <= most:
        return wish
    say(f"\nbacklog: {most:.1f} GB instead of {wish:g}, because it takes {BACKLOG_DISK_FACTOR} "
        f"times as much of the disk,\nand {free:.0f} GB are free in {table.directory}")
    return most


def compare_backlog(table):
    gigabytes = choose_backlog(table)
    entries = int(gigabytes * 1e9 / BACKLOG_VALUE)
    in_memory = min(entries, int(IN_MEMORY_GB * 1e9 / BACKLOG_VALUE))
    say(f"\nbacklog: values of {BACKLOG_VALUE} bytes in {BACKLOG_STREAMS} streams, everysec; "
        "servers and load tool use all cores")
    say(f"  {'':<32}{'GB':>6}{'MB/s':>8}{'CPU ns':>8}{'VmRSS MB':>10}{'RssAnon MB':>12}"
        f"{'MB on disk':>12}")
    base = fill_backlog(table, table.server(0, f"{table.names[0]} in memory", pinned=False),
                        in_memory)
    table.end_servers()
    fill_backlog(table, table.server(1, f"{table.names[1]} in memory", pinned=False), in_memory)
    table.end_servers()
    server = table.server(0, f"{table.names[0]} stream-memory 256mb", pinned=False,
                          stream_memory="256mb", snapshot_journal_bytes="1gb")
    filled = fill_backlog(table, server, entries)
    read = catch_up(table, server)
    table.results["backlog"] = {"in_memory": base, "filled": filled, "catch_up": read}
    peaks = {key: max(filled[key], read[key]) / 1e6 for key in ("VmRSS", "RssAnon")}
    table.check("VmRSS at most, MB", peaks["VmRSS"], 700, False)
    table.check("RssAnon at most, MB", peaks["RssAnon"], 700, False)
    table.check("append speed against all in memory", filled["mb"] / base["mb"], 0.7, True)
    disk = table.disk["read_mb_per_second"]
    table.check("catch-up reads, MB/s", read["mb"], 300, True,
                "" if disk > 300 else f" (the disk reads {disk:.0f})")
    table.check("producers meanwhile, against alone", read["producers"] / read["alone"], 0.7, True)


def payload_mb(result):
    return result["requests_per_second"] * BACKLOG_VALUE / 1e6


def fill_backlog(table, server, entries):
    progress(f"backlog: filling {server.name}")
    server.start()
    watch = Watch(server)
    watch.start()
    result = table.fill(server, entries, BACKLOG_VALUE, BACKLOG_STREAMS)
    with server.client() as client:
        found = entries_in(client, BACKLOG_STREAMS)
    if found != entries:
        raise Failure(f"backlog: {server.name} has {found} entries, not {entries}")
    figures = {"mb": payload_mb(result), **watch.end(), "run": result}
    on_disk = bytes_below(server.directory) / 1e6
    progress("")
    say(f"  {server.name:<32}{entries * BACKLOG_VALUE / 1e9:>6.1f}{figures['mb']:>8.0f}"
        f"{result['server_cpu_ns']:>8.0f}{figures['VmRSS'] / 1e6:>10.0f}"
        f"{figures['RssAnon'] / 1e6:>12.0f}{on_disk:>12.0f}")
    return figures


def catch_up(table, server):
    """Consumers start at the beginning, from the disk, while producers go on appending."""
    seconds = 4 if table.options.quick else 15
    progress("backlog: producers alone")
    alone = table.fill(server, UNBOUNDED, BACKLOG_VALUE, BACKLOG_STREAMS, seconds)
    forget_directory(server.directory)
    progress("backlog: producers and consumers")
    watch = Watch(server)
    watch.start()
    tool = table.unpinned
    producers = tool.begin(server, *fill_arguments(UNBOUNDED, BACKLOG_VALUE, BACKLOG_STREAMS,
                                                   seconds), pid=False)
    consumers = tool.begin(server, "catchup", "--keys", BACKLOG_STREAMS, "-c", BACKLOG_STREAMS,
                           "--count", 100, "--seconds", seconds, pid=False)
    produced = tool.finish(server, producers)[0]
    consumed = tool.finish(server, consumers)[0]
    peak = watch.end()
    progress("")
    figures = {"alone": payload_mb(alone), "producers": payload_mb(produced),
               "mb": consumed["payload_bytes_per_second"] / 1e6, **peak,
               "runs": [alone, produced, consumed]}
    say(f"  producers alone: {figures['alone']:.0f} MB/s; with consumers from the beginning (XREAD "
        f"COUNT 100): {figures['producers']:.0f} MB/s,\n  consumers {figures['mb']:.0f} MB/s for "
        f"{consumed['seconds']:.0f} s; VmRSS {peak['VmRSS'] / 1e6:.0f} MB, RssAnon "
        f"{peak['RssAnon'] / 1e6:.0f} MB")
    return figures
