"""The cases of bench-topics. The name of each begins with `topic-`."""

import statistics
import time

from bench_disk import forget_directory
from bench_large import choose_backlog, middle, payload_mb, time_restart, wait_for_snapshot
from bench_lib import BUSY, Failure, progress, ratio, say, show
from bench_table import LONG_SECONDS, log_bytes

KEY_BYTES = 16
MANY = 10_000  # partitions
RECORDS = 2_000_000  # of the case topic-partitions
CONSUMED = 1_000_000  # records of the case topic-consume
TURN_MEMBERS, TURN_PARTITIONS, TURN_ROUNDS = 100, 1000, 7
LATENCY_RATE, LATENCY_CONSUMERS = 50_000, 8
RESTART_ENTRIES, RESTART_AFTER = 5_000_000, 1_400_000  # in the snapshot, after it
COMPACTED_KEYS = 1_000_000  # as the tool has them
COMPACTED_PARTITIONS, COMPACTED_ROUNDS = 2, 8
BACKLOG_VALUE = 1024
BACKLOG_STREAMS, BACKLOG_PARTITIONS, BACKLOG_MEMBERS = 10, 1000, 8
BACKLOG_COUNT = 500  # the default of TREADGROUP


class Measure:
    """One run of the tool, many times: on which server, with what, and how many records are one
    request. `before` is a run that makes what it needs, all of which is removed afterwards."""

    def __init__(self, name, server, *arguments, records=1, logs=False, before=None):
        self.name = name
        self.server = server
        self.arguments = arguments
        self.records = records
        self.logs = logs
        self.before = before

    def run(self, table):
        self.server.start()
        with self.server.client() as client:
            if self.before:
                table.bench.run(self.server, *self.before)
            logged = log_bytes(client) if self.logs else 0
            line = table.bench.run(self.server, *self.arguments)[0]
            if self.logs:
                line["log_bytes"] = (log_bytes(client) - logged) / line["requests"]
            if self.before:
                client.ask("FLUSHALL")
        return line


class Figures:
    """Medians of one measure over the rounds."""

    def __init__(self, measure, lines):
        def each(key):
            return middle(line[key] for line in lines if key in line)

        def latency(name):
            return middle(line["latency_us"][name] for line in lines)

        cpu, rate, logged = each("server_cpu_ns"), each("requests_per_second"), each("log_bytes")
        self.busy = each("server_busy")
        self.cpu = cpu and cpu / measure.records
        # Cases that count records tell their rate.
        self.rate = (each("deliveries_per_second") or each("entries_per_second")
                     or rate and rate * measure.records)
        self.logged = logged and logged / measure.records
        self.p50, self.p99 = latency("p50"), latency("p99")


def in_turns(table, title, measures):
    """Runs all measures in turns; prints and returns their medians, by name."""
    runs = {measure.name: [] for measure in measures}
    failed = set()
    for number in range(table.options.rounds):
        for measure in measures if number % 2 == 0 else measures[::-1]:
            if measure.name in failed:
                continue
            progress(f"{title}: {measure.name}, round {number + 1} of {table.options.rounds}")
            try:
                runs[measure.name].append(measure.run(table))
            except Failure as failure:
                failed.add(measure.name)
                runs[measure.name] = []
                table.bench.failures.append(f"{title}, {measure.name}: {failure}")
                measure.server.kill()
    progress("")
    table.results[title] = runs
    say(f"\n{title}")
    say(f"  {'per record':<44}{'records/s':>11}{'CPU ns':>9}{'busy':>6}{'p50 us':>9}{'p99 us':>9}"
        f"{'log B':>8}")
    figures = {measure.name: Figures(measure, runs[measure.name]) for measure in measures}
    for name, each in figures.items():
        busy = each.busy and each.busy * 100
        say(f"  {name:<44}{show(each.rate, '.0f', 11)}{show(each.cpu, '.0f', 9)}"
            f"{show(busy, '.0f', 5)}%{show(each.p50, '.0f', 9)}{show(each.p99, '.0f', 9)}"
            f"{show(each.logged, '.1f', 8)}")
    return figures


def usual(table, pipeline, *arguments, connections=None):
    options = table.options
    return (*arguments, "-P", pipeline, "-c", connections or options.connections, "-d",
            options.value_size, "--scale", options.scale)


def many(table):
    """Arguments for runs that have many partitions or streams to create."""
    return "-n", int(RECORDS * table.options.scale * 2)


def compare_add(table):
    server = table.server(0, policy=None)
    figures = in_turns(table, "topic-add: 12 partitions, pipeline 64, no journal", [
        Measure("XADD to 12 streams", server, *usual(table, 64, "xadd-streams", "--keys", 12)),
        Measure("TADD", server, *usual(table, 64, "tadd")),
        Measure("TADD KEY", server, *usual(table, 64, "tadd-key")),
        Measure("TADD KEY PRODUCER", server, *usual(table, 64, "tadd-producer")),
        Measure("TADDM of 100 with keys", server, *usual(table, 64, "taddm"), records=100),
    ])
    xadd, key = figures["XADD to 12 streams"], figures["TADD KEY"]
    table.check("CPU of TADD KEY against XADD", ratio(key.cpu, xadd.cpu), 1.2, False)
    table.check("CPU of TADD KEY PRODUCER against TADD KEY",
                ratio(figures["TADD KEY PRODUCER"].cpu, key.cpu), 1.2, False)
    table.check("CPU of a record in TADDM against XADD",
                ratio(figures["TADDM of 100 with keys"].cpu, xadd.cpu), 0.5, False)


def compare_journal(table):
    server = table.server(0)
    figures = in_turns(table, "topic-journal: 12 partitions, pipeline 64, everysec", [
        Measure("XADD to 12 streams", server, *usual(table, 64, "xadd-streams", "--keys", 12),
                logs=True),
        Measure("TADD KEY", server, *usual(table, 64, "tadd-key"), logs=True),
        Measure("TADDM of 100 with keys", server, *usual(table, 64, "taddm"), records=100,
                logs=True),
    ])
    xadd, key, taddm = (each.logged for each in figures.values())
    if None in (xadd, key, taddm):
        raise Failure("a run failed")
    # As if the names of streams were as long as those of partitions.
    xadd -= len("bench:stream:1000000000") - statistics.mean(
        len(f"bench:topic/{i}") for i in range(12))
    table.check("journal bytes of TADD KEY beyond XADD and the key", key - xadd - KEY_BYTES, 4,
                False)
    table.check("journal bytes in TADDM against XADD with the key", taddm / (xadd + KEY_BYTES), 0.9,
                False)


def compare_read(table):
    server = table.server(0, policy=None)
    figures = in_turns(table, "topic-read: in memory, pipeline 16", [
        Measure("XRANGE COUNT 500", server, *usual(table, 16, "xrange500"), records=500),
        Measure("TREAD COUNT 500", server, *usual(table, 16, "tread500"), records=500),
    ])
    xrange500, tread500 = figures.values()
    table.check("CPU of TREAD against XRANGE", ratio(tread500.cpu, xrange500.cpu), 1.1, False)


def compare_consume(table):
    server = table.server(0, policy=None)
    entries = int(CONSUMED * table.options.scale * 2)

    # As many connections as partitions, because others would have nothing to do.
    def consume(case, pipeline, *arguments):
        return *usual(table, pipeline, case, connections=12), "-n", entries, *arguments

    fill = ("xadd-streams", "--keep", "--keys", 12, "-P", 64, "-n", entries, "-d",
            table.options.value_size)
    # XREAD needs the reply to know where to go on.
    xread, treadgroup = in_turns(
        table, "topic-consume: 12 consumers take all that is there, COUNT 100, no pipeline", [
            Measure("XREAD of 12 streams", server, *consume("catchup", 1, "--keys", 12),
                    before=fill),
            Measure("TREADGROUP and TCOMMIT", server, *consume("consume-topic", 1)),
        ]).values()
    table.check("CPU against XREAD", ratio(treadgroup.cpu, xread.cpu), 1.3, False)
    xreadgroup, treadgroup = in_turns(table, "topic-consume: the same, pipeline 16", [
        Measure("XREADGROUP and XACK of a stream", server, *consume("consume", 16)),
        Measure("TREADGROUP and TCOMMIT", server, *consume("consume-topic", 16)),
    ]).values()
    table.check("CPU against XREADGROUP and XACK", ratio(treadgroup.cpu, xreadgroup.cpu), 0.6,
                False)


def compare_partitions(table):
    ours, theirs = table.server(0, policy=None), table.server(1, policy=None)
    redis, own = (f"XADD to {MANY} streams at random{of}" for of in (f", {theirs.name}", ""))
    streams = usual(table, 64, "xadd-random", "--keys", MANY)
    figures = in_turns(table, f"topic-partitions: 12 and {MANY}, pipeline 64, no journal", [
        *(Measure(f"{name}, {partitions} partitions", ours, *usual(table, 64, case),
                  "--partitions", partitions, *many(table))
          for name, case in (("TADD", "tadd"), ("TADD KEY", "tadd-key"))
          for partitions in (12, MANY)),
        Measure(own, ours, *streams, *many(table)),
        Measure(redis, theirs, *streams, *many(table)),
    ])
    tadd, tadd_many, key, key_many, _, xadd = figures.values()
    table.check(f"CPU of TADD, {MANY} partitions against 12", ratio(tadd_many.cpu, tadd.cpu), 1.1,
                False)
    table.check(f"CPU of TADD KEY, {MANY} partitions against 12", ratio(key_many.cpu, key.cpu), 2,
                False)
    table.check(f"CPU of TADD KEY against {theirs.name}'s XADD, {MANY} of each",
                ratio(key_many.cpu, xadd.cpu), 0.5, False)


def compare_always(table):
    server = table.server(0, policy="always")
    seconds = 1 if table.options.quick else 4
    few, many_partitions = in_turns(
        table, f"topic-always: 12 and {MANY} partitions, always, 50 connections, no pipeline", [
            Measure(f"TADD KEY, {partitions} partitions", server, "tadd-key", "-P", 1, "-c", 50,
                    "-d", table.options.value_size, "--partitions", partitions, "-n", 100_000_000,
                    "--seconds", seconds)
            for partitions in (12, MANY)]).values()
    table.check(f"requests/s, {MANY} partitions against 12",
                ratio(many_partitions.rate, few.rate), 0.95, True)


def compare_curve(table, title, case, size_name, limit, pipeline):
    server = table.server(0, policy=None)
    runs = table.bench.rounds(title, min(table.options.rounds, 5), lambda server: table.bench.run(
        server, case, "-P", pipeline, "--scale", table.options.scale), [server])[server.name]
    table.results[title] = runs
    sizes = {}
    for lines in runs:
        for line in lines:
            sizes.setdefault(line[size_name], []).append(line["server_cpu_ns"])
    sizes = {size: statistics.median(values) for size, values in sizes.items()}
    say(f"\n{title}; CPU ns by number of {size_name}")
    say("  " + "".join(f"{size:>10}" for size in sizes))
    say("  " + "".join(f"{value:>10.0f}" for value in sizes.values()))
    growth = max(sizes.values()) / min(sizes.values()) if sizes else None
    table.check("growth", growth, limit, False)


def compare_members(table):
    compare_curve(table, "topic-members: TADD that wakes one of the blocked members of a group",
                  "curve-members", "members", 1.2, 1)


def compare_owned(table):
    compare_curve(table, "topic-owned: TREADGROUP that gives 10 records, by what the member owns",
                  "curve-owned", "partitions", 1.3, 16)


def longest_turn(client, action, owners):
    """Milliseconds of the longest turn from the action until the partitions are divided anew among
    so many owners."""
    client.ask("CONFIG", "RESETSTAT")
    action()
    time.sleep(0.3)  # the server divides after 0.1 s
    longest = int(client.info("stats")["longest_turn_us"]) / 1000
    fields = client.ask("TGROUP", "DESCRIBE", "group")
    state, members = fields[3], fields[fields.index("members") + 1]
    owned = [member[member.index("partitions") + 1] for member in members]
    if state != "stable" or len(owned) != owners or max(owned) - min(owned) > 1:
        raise Failure(f"the group is {state}, and its {len(owned)} members own {min(owned)} to "
                      f"{max(owned)} partitions")
    return longest


def compare_turn(table):
    server = table.server(0, policy=None, pinned=False)
    server.start()
    with server.client() as client:
        client.ask("TOPIC", "CREATE", "topic", "PARTITIONS", TURN_PARTITIONS)
        client.ask_all(("TADD", f"topic/{i}", "*", "f", "v") for i in range(TURN_PARTITIONS))
        client.ask("TGROUP", "CREATE", "group", "FROM", "LATEST")
        peers = [server.client() for _ in range(TURN_MEMBERS + 1)]

        def join(number):
            # Blocked until something comes, which is never; so there is no reply to be read.
            peers[number].send("TREADGROUP", "group", f"member-{number}", "BLOCK", 0, "TOPICS",
                               "topic")

        def leave():
            client.ask("TGROUP", "LEAVE", "group", f"member-{TURN_MEMBERS}")
            try:
                peers[-1].reply()
            except Failure:  # FENCED
                return
            raise Failure("the member that left got records")

        for number in range(TURN_MEMBERS):
            join(number)
        time.sleep(0.5)
        joins, leaves = [], []
        for _ in range(3 if table.options.quick else TURN_ROUNDS):
            joins.append(longest_turn(client, lambda: join(TURN_MEMBERS), TURN_MEMBERS + 1))
            leaves.append(longest_turn(client, leave, TURN_MEMBERS))
        for peer in peers:
            peer.__exit__()
    table.results["topic-turn"] = {"join": joins, "leave": leaves}
    say(f"\ntopic-turn: a member joins or leaves, {TURN_MEMBERS} members blocked, "
        f"{TURN_PARTITIONS} partitions; the longest turn of the loop")
    for name, values in (("joins", joins), ("leaves", leaves)):
        say(f"  a member {name}: ms " + ", ".join(f"{value:.2f}" for value in values))
    table.check("ms when a member joins, median", statistics.median(joins), 5, False)
    table.check("ms when a member leaves, median", statistics.median(leaves), 5, False)


def compare_latency(table):
    ours, theirs = table.server(0, policy=None), table.server(1, policy=None)
    seconds = 3 if table.options.quick else 8
    load = ("--rate", LATENCY_RATE, "-n", LATENCY_RATE * seconds, "-P", 1, "--groups", 1,
            "--consumers", LATENCY_CONSUMERS, "-d", table.options.value_size)
    xadd, tadd, redis = in_turns(
        table, f"topic-latency: {LATENCY_RATE} records/s in an open loop to {LATENCY_CONSUMERS} "
        "blocked consumers, no journal;\nfrom when the append was due to when the record was read",
        [Measure("XADD to XREADGROUP", ours, "groups", *load),
         Measure("TADD KEY to TREADGROUP", ours, "groups-topic", *load),
         Measure(f"XADD to XREADGROUP, {theirs.name}", theirs, "groups", *load)]).values()
    for name in ("p50", "p99"):
        mine = getattr(tadd, name)
        table.check(f"{name} against our XADD", ratio(mine, getattr(xadd, name)), 1.2, False)
        table.check(f"{name} against {theirs.name}", ratio(mine, getattr(redis, name)), 0.5, False)


def compare_memory(table):
    server = table.server(0, policy=None)

    def measure(case):
        progress(f"topic-memory: {case}")
        server.stop()
        return table.bench.run(server, case, "--scale", max(table.options.scale, 0.5))[0]

    cases = {"memory-stream1": "an entry of XADD, one field of 100 bytes",
             "memory-record": "a record with a key of 16 bytes, the same field",
             "memory-unwritten": "a partition never written",
             "memory-emptied": "a partition whose records are removed",
             "memory-few": "a partition with ten such records",
             "memory-owned": "group x partition, with a member",
             "memory-left": "group x partition, without members"}
    results = {case: measure(case) for case in cases}
    progress("")
    table.results["topic-memory"] = results
    say("\ntopic-memory: bytes each, by used_memory")
    for case, what in cases.items():
        say(f"  {what:<52}{results[case]['used_bytes']:>9.1f}")
    used = {case: result["used_bytes"] for case, result in results.items()}
    record = used["memory-record"]
    table.check("a record beyond an XADD's entry and the key",
                record - used["memory-stream1"] - KEY_BYTES, 4, False)
    table.check("a partition never written", used["memory-unwritten"], 1, False)
    table.check("a partition whose records are removed", used["memory-emptied"], 700, False)
    table.check("a partition with ten records, less twice these",
                used["memory-few"] - 2 * 10 * record, 700, False)
    table.check("group x partition, with a member", used["memory-owned"], 64, False)
    table.check("group x partition, without members", used["memory-left"], 64, False)


def fill_topic(table, server, records, value_size, partitions):
    tool = table.bench if server.cpu is not None else table.unpinned
    return tool.run(server, "tadd-key", "--keep", "-n", records, "-c", 10, "-P", 64, "-d",
                    value_size, "--partitions", partitions, seconds=LONG_SECONDS)[0]


def records_in(client, partitions):
    return sum(client.ask_all(["XLEN", f"bench:topic/{i}"] for i in range(partitions)))


def compare_restart(table):
    from bench_table import STREAMS, entries_in
    options = table.options
    part = 10 if options.quick else 1
    entries, more = RESTART_ENTRIES // part, RESTART_AFTER // part
    streams, topic = (table.server(0, name, pinned=False)
                      for name in (f"{STREAMS} streams", f"{MANY} partitions"))
    fills = {streams: lambda n: table.fill(streams, n, options.value_size),
             topic: lambda n: fill_topic(table, topic, n, options.value_size, MANY)}
    counts = {streams: lambda client: entries_in(client, STREAMS),
              topic: lambda client: records_in(client, MANY)}
    for server, fill in fills.items():
        progress(f"topic-restart: filling {server.name}")
        server.start()
        fill(entries)
        with server.client() as client:
            client.ask("BGREWRITEAOF")
            wait_for_snapshot(client)
        fill(more)

    def measure(server):
        return time_restart(server, counts[server], entries + more)

    rounds = table.unpinned.rounds("topic-restart", min(options.rounds, 5), measure,
                                   [streams, topic])
    table.results["topic-restart"] = rounds
    say(f"\ntopic-restart: {entries} in the snapshot, {more} after it; from the start of the "
        "process (after SIGKILL) to its PONG")
    took = [middle(rounds[server.name]) for server in (streams, topic)]
    for server, seconds in zip((streams, topic), took):
        say(f"  {server.name:<24}{show(seconds, '.2f', 9)} s")
    table.check("seconds against streams", ratio(took[1], took[0]), 1.3, False)


def compare_backlog(table):
    entries = int(choose_backlog(table) * 1e9 / BACKLOG_VALUE)
    say(f"\ntopic-backlog: {entries * BACKLOG_VALUE / 1e9:.1f} GB in values of {BACKLOG_VALUE} "
        "bytes, everysec, stream-memory 256mb; all cores are used;\n"
        f"XREAD of {BACKLOG_STREAMS} streams, and TREADGROUP by {BACKLOG_MEMBERS} members, "
        f"COUNT {BACKLOG_COUNT}, from the start")
    say(f"  {'':<24}{'append MB/s':>12}{'CPU ns':>8}{'read MB/s':>12}{'CPU ns':>8}")
    kinds = {
        f"{BACKLOG_STREAMS} streams": (
            lambda server: table.fill(server, entries, BACKLOG_VALUE, BACKLOG_STREAMS),
            ("catchup", "--keys", BACKLOG_STREAMS, "-c", BACKLOG_STREAMS)),
        f"{BACKLOG_PARTITIONS} partitions": (
            lambda server: fill_topic(table, server, entries, BACKLOG_VALUE, BACKLOG_PARTITIONS),
            ("catchup-topic", "-c", BACKLOG_MEMBERS)),
    }
    figures = []
    for name, (fill, read) in kinds.items():
        server = table.server(0, name, pinned=False, stream_memory="256mb",
                              snapshot_journal_bytes="1gb")
        progress(f"topic-backlog: filling {name}")
        server.start()
        filled = fill(server)
        forget_directory(server.directory)
        progress(f"topic-backlog: reading {name}")
        taken = table.unpinned.run(server, *read, "--count", BACKLOG_COUNT,
                                   seconds=LONG_SECONDS)[0]
        progress("")
        if taken["entries"] != entries:
            raise Failure(f"{name}: {taken['entries']} were read, not {entries}")
        append_mb, read_mb = payload_mb(filled), taken["payload_bytes_per_second"] / 1e6
        say(f"  {name:<24}{append_mb:>12.0f}{filled['server_cpu_ns']:>8.0f}{read_mb:>12.0f}"
            f"{taken['server_cpu_ns']:>8.0f}")
        figures.append((append_mb, read_mb))
        table.results[f"topic-backlog, {name}"] = [filled, taken]
        table.end_servers()
    (stream_append, stream_read), (topic_append, topic_read) = figures
    table.check("append against streams", topic_append / stream_append, 0.8, True)
    table.check("read against streams", topic_read / stream_read, 0.8, True)


def disk_of_updates(table):
    """The most bytes in files of cold entries while keys are updated at random, and bytes that live
    in them at the least."""
    options = table.options
    server = table.server(0, "with little memory", stream_memory="16mb",
                          snapshot_journal_bytes="1gb")
    server.start()
    most = 0
    with server.client() as client:
        for number in range(COMPACTED_ROUNDS):  # the first one makes the topic
            progress(f"topic-compaction: updates on the disk, {number + 1} of {COMPACTED_ROUNDS}")
            table.bench.run(server, *usual(table, 64, "tadd-compact"), "--keep", "--partitions",
                            COMPACTED_PARTITIONS, "-n", COMPACTED_KEYS)
            most = max(most, int(client.info("memory")["cold_files_bytes"]))
        records = records_in(client, COMPACTED_PARTITIONS)
    if records != COMPACTED_KEYS:
        raise Failure(f"{records} records are left of {COMPACTED_KEYS} keys")
    return most, records * (KEY_BYTES + len("f") + options.value_size)


def compare_compaction(table):
    server = table.server(0, policy=None)
    update, compact = in_turns(
        table, f"topic-compaction: TADD KEY with {COMPACTED_KEYS} keys at random, pipeline 64, "
        "no journal", [
            Measure("to a topic that keeps all", server, *usual(table, 64, "tadd-update")),
            Measure("to a compacted topic", server, *usual(table, 64, "tadd-compact")),
        ]).values()
    table.check("CPU against a topic that keeps all", ratio(compact.cpu, update.cpu), 1.6, False)

    def used_by(case):
        server.stop()
        return table.bench.run(server, case, "--scale", max(table.options.scale, 0.5))[0][
            "used_bytes"]

    table.check("bytes of the index for each key",
                used_by("memory-compacted") - used_by("memory-record"), 56, False)
    most, live = disk_of_updates(table)
    progress("")
    say(f"  files of cold records had at most {most / 1e6:.0f} MB; {live / 1e6:.0f} MB live")
    table.check("bytes in files against those that live", most / live, 3, False,
                " (besides two files for each partition)")


CASES = {"topic-add": compare_add, "topic-journal": compare_journal, "topic-read": compare_read,
         "topic-consume": compare_consume, "topic-partitions": compare_partitions,
         "topic-always": compare_always, "topic-members": compare_members,
         "topic-owned": compare_owned, "topic-turn": compare_turn,
         "topic-latency": compare_latency, "topic-memory": compare_memory,
         "topic-compaction": compare_compaction, "topic-restart": compare_restart,
         "topic-backlog": compare_backlog}
