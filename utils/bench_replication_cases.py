"""The cases of bench-replication with little data. The name of each begins with `replication-`."""

from bench_lib import find_binary, progress, ratio, say, show
from bench_replication_large import LARGE_CASES
from bench_replication_pair import LagProbe, Pair, for_seconds, middle, percentile


def show_load(pairs, runs):
    """A table of what the rounds of each pair reached."""
    say(f"  {'':<28}{'requests/s':>11}{'leader CPU ns':>15}{'follower CPU ns':>17}{'p50 us':>9}"
        f"{'p99 us':>9}")
    for pair in pairs:
        lines = runs[pair.name]
        follower = middle(lines, "follower_cpu_ns") if pair.followers else None
        say(f"  {pair.name:<28}{show(middle(lines, 'requests_per_second'), '.0f', 11)}"
            f"{show(middle(lines, 'server_cpu_ns'), '.0f', 15)}{show(follower, '.0f', 17)}"
            f"{show(middle(lines, 'latency_us', 'p50'), '.0f', 9)}"
            f"{show(middle(lines, 'latency_us', 'p99'), '.0f', 9)}")


def run_load(table, title, pairs, measure):
    runs = table.bench.rounds(title, table.options.rounds, measure, pairs)
    table.results[title] = runs
    say(f"\n{title}")
    show_load(pairs, runs)
    return lambda pair, *path: middle(runs[pair.name], *path)


def compare_before(table):
    """Without a follower, against a server of before there were any."""
    if table.options.before is None:
        say("\nreplication-none: not measured; --before names a server to compare with")
        return
    table.binaries.append(find_binary(table.options.before))
    now = Pair(table, 0, f"{table.names[0]} now", followers=0)
    before = Pair(table, len(table.binaries) - 1, f"{table.names[0]} before", followers=0)
    of = run_load(table, "replication-none: XADD, pipeline 64, no follower, everysec",
                  [now, before], lambda pair: pair.load("xadd1", "-P", 64, *for_seconds(table, 2)))
    table.check("CPU against before", ratio(of(now, "server_cpu_ns"), of(before, "server_cpu_ns")),
                1.02, False)


def compare_load(table):
    alone = Pair(table, 0, f"{table.names[0]} without follower", followers=0)
    ours = Pair(table, 0, table.names[0])
    theirs = Pair(table, 1, table.names[1])
    for pipeline, most in ((16, 1.15), (64, 1.25)):
        of = run_load(
            table, f"replication-load: XADD, pipeline {pipeline}, one follower, everysec on both",
            [alone, ours, theirs],
            lambda pair, p=pipeline: pair.load("xadd1", "-P", p, *for_seconds(table, 3)))
        leader, follower = of(ours, "server_cpu_ns"), of(ours, "follower_cpu_ns")
        table.check("leader's CPU against no follower", ratio(leader, of(alone, "server_cpu_ns")),
                    most, False)
        table.check("follower's CPU against its leader's", ratio(follower, leader), 0.8, False)
        table.check(f"follower's CPU against {theirs.name}'s replica",
                    ratio(follower, of(theirs, "follower_cpu_ns")), 0.3, False)
        table.check(f"requests/s against {theirs.name} with a replica",
                    ratio(of(ours, "requests_per_second"), of(theirs, "requests_per_second")), 2.5,
                    True)


def compare_acks(table):
    one = Pair(table, 0, f"{table.names[0]} acks 1")
    everyone = Pair(table, 0, f"{table.names[0]} acks all", acks="all")
    theirs = Pair(table, 1, f"{table.names[1]} with WAIT 1 0")
    for pipeline, least in ((1, 0.6), (16, 0.8)):

        def measure(pair, pipeline=pipeline):
            case = ("xadd1", "-P", pipeline) if pair.ours else ("xadd-wait", "-P", 2 * pipeline)
            return pair.load(*case, *for_seconds(table, 3))

        of = run_load(table, f"replication-acks: XADD, pipeline {pipeline}, one follower, everysec",
                      [one, everyone, theirs], measure)
        say(f"  ({theirs.name}: XADD and WAIT are two requests, and both are in the latencies)")
        table.check("requests/s against acks 1",
                    ratio(of(everyone, "requests_per_second"), of(one, "requests_per_second")),
                    least, True)
        table.check(f"p99 against {theirs.name}",
                    ratio(of(everyone, "latency_us", "p99"), of(theirs, "latency_us", "p99")), 0.5,
                    False)


def compare_always(table):
    alone = Pair(table, 0, f"{table.names[0]} without follower", followers=0, policy="always")
    everyone = Pair(table, 0, f"{table.names[0]} acks all", policy="always", acks="all")
    of = run_load(table, "replication-always: XADD, pipeline 1, appendfsync always on both",
                  [alone, everyone], lambda pair: pair.load("xadd1", "-P", 1,
                                                            *for_seconds(table, 3)))
    table.check("requests/s against no follower",
                ratio(of(everyone, "requests_per_second"), of(alone, "requests_per_second")), 0.6,
                True)


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
        load = pair.offer("xadd1", half[pair.name], "--seconds", seconds)
        probe = LagProbe(pair)
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


CASES = {"replication-none": compare_before, "replication-load": compare_load,
         "replication-acks": compare_acks, "replication-always": compare_always,
         "replication-lag": compare_lag, **LARGE_CASES}
