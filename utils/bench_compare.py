"""Tables in which runnel-server and redis-server stand side by side under the same load."""

import statistics

from bench_lib import BUSY, MOST_CLIENTS, median, ratio, say, show, summary, wanted

CURVE_ROUNDS = 3


def server_arguments(port, directory):
    """The options that switch off persistence, the same for both servers."""
    return ["--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "",
            "--appendonly", "no", "--maxclients", str(MOST_CLIENTS)]


def verdict(rate_ratio, cpu_ratio, target, limited):
    """Judges by the ratios as printed, that is, with two digits. `target` are the limits of CPU and
    of requests per second; the latter may be None."""
    if rate_ratio is None or cpu_ratio is None:
        return "failed"
    cpu_limit, rate_limit = target
    enough_cpu = round(cpu_ratio, 2) <= cpu_limit
    enough_rate = rate_limit is None or round(rate_ratio, 2) >= rate_limit
    if enough_cpu and enough_rate:
        return "met"
    if limited:
        # The load tool could not ask for more, so only the CPU time can tell.
        return "met by CPU" if enough_cpu else "missed: CPU"
    missed = [name for name, enough in (("CPU", enough_cpu), ("rate", enough_rate)) if not enough]
    return "missed: " + ", ".join(missed)


def compare_requests(bench, options, rows):
    """`rows` are (case, pipeline, (cpu target, rate target)) in the order of the table."""
    if not rows:
        return []
    ours, theirs = (server.name for server in bench.servers)
    say(f"\nRequests: {options.connections} connections, {options.value_size}-byte values, medians "
        f"of {options.rounds} rounds; {ours} : {theirs}. * the load tool was the limit.")
    say(f"{'':<21}{'requests/s':^27}{'server CPU ns/request':^24}{'p50 us':^17}{'p99 us':^17}"
        f"{'p99.9 us':^17}{'targets':^13}")
    say(f"{'case':<16}{'pipe':>4} {ours:>10}{theirs:>10}{'ratio':>7}{ours:>9}{theirs:>9}{'ratio':>6}"
        + f"{ours:>9}{theirs:>8}" * 3 + f"{'CPU':>7}{'rate':>6}  verdict")
    return [compare_row(bench, options, *row) for row in rows]


def compare_row(bench, options, case, pipeline, target):
    runs = bench.rounds(f"{case}, pipeline {pipeline}", options.rounds, lambda server: bench.run(
        server, case, "-P", pipeline, "-c", options.connections, "-d", options.value_size,
        "--scale", options.scale))
    ours, theirs = (summary(runs[server.name]) for server in bench.servers)
    rate_ratio = ratio(ours["rate"], theirs["rate"])
    cpu_ratio = ratio(ours["cpu_ns"], theirs["cpu_ns"])
    limited = [each["busy"] is not None and each["busy"] < BUSY for each in (ours, theirs)]
    marks = ["*" if each else " " for each in limited]
    line = (f"{case:<16}{pipeline:>4} {show(ours['rate'], '.0f', 9)}{marks[0]}"
            f"{show(theirs['rate'], '.0f', 9)}{marks[1]}{show(rate_ratio, '.2f', 7)}"
            f"{show(ours['cpu_ns'], '.0f', 9)}{show(theirs['cpu_ns'], '.0f', 9)}"
            f"{show(cpu_ratio, '.2f', 6)}")
    for key in ("p50", "p99", "p99.9"):
        line += show(ours["latency_us"][key], ".0f", 9) + show(theirs["latency_us"][key], ".0f", 8)
    judged = "" if target is None else verdict(rate_ratio, cpu_ratio, target, any(limited))
    if target is not None:
        line += f"{target[0]:>7}{target[1] or '':>6}  {judged}"
    say(line)
    return {"case": case, "pipeline": pipeline, "rate_ratio": rate_ratio, "cpu_ratio": cpu_ratio,
            "load_limited": any(limited), "target": target, "verdict": judged, "runs": runs}


def compare_memory(bench, options, targets):
    """`targets`: bytes per item, at most so many times the other server's, by case."""
    cases = [case for case in targets if wanted(options, case)]
    if not cases:
        return []
    ours, theirs = (server.name for server in bench.servers)
    say("\nMemory: bytes per item in used_memory, and resident (a fresh server each time)")
    say(f"{'case':<16}{ours:>9}{theirs:>9}{'ratio':>7}{ours:>12}{theirs:>9}{'ratio':>7}"
        f"{'target':>8}  verdict")
    return [compare_memory_row(bench, options, case, targets[case]) for case in cases]


def compare_memory_row(bench, options, case, target):
    def measure(server):
        server.stop()
        return bench.run(server, case, "--scale", max(options.scale, 0.5))

    runs = bench.rounds(case, 1, measure)
    used = [median(runs[server.name], "used_bytes") for server in bench.servers]
    resident = [median(runs[server.name], "resident_bytes") for server in bench.servers]
    used_ratio = ratio(*used)
    judged = "failed" if used_ratio is None else (
        "met" if round(used_ratio, 2) <= target else "missed")
    say(f"{case:<16}{show(used[0], '.1f', 9)}{show(used[1], '.1f', 9)}{show(used_ratio, '.2f', 7)}"
        f"{show(resident[0], '.1f', 12)}{show(resident[1], '.1f', 9)}"
        f"{show(ratio(*resident), '.2f', 7)}{target:>8}  {judged}")
    return {"case": case, "ratio": used_ratio, "target": target, "verdict": judged, "runs": runs}


def compare_curves(bench, options, curves):
    """Server CPU per operation by size; `growth` is the largest of a row over its smallest.
    `curves`: what grows in each, as the load tool names it."""
    results = {}
    for curve, size_name in curves.items():
        if not wanted(options, curve):
            continue
        runs = bench.rounds(curve, CURVE_ROUNDS, lambda server: bench.run(
            server, curve, "-P", 16, "-c", options.connections, "--most-entries",
            1_000_000 if options.quick else 10_000_000, "--most-blocked",
            1_000 if options.quick else 10_000))
        points = {server.name: curve_points(runs[server.name], size_name)
                  for server in bench.servers}
        say(f"\n{curve}: server CPU ns per operation by number of {size_name}")
        print_curve(points)
        results[curve] = runs
    return results


def curve_points(runs, size_name):
    """{operation: {size: median of CPU ns}}"""
    values = {}
    for lines in runs:
        for line in lines:
            sizes = values.setdefault(line["operation"], {})
            sizes.setdefault(line[size_name], []).append(line["server_cpu_ns"])
    return {operation: {size: statistics.median(all_values) for size, all_values in sizes.items()}
            for operation, sizes in values.items()}


def print_curve(points):
    sizes = sorted({size for operations in points.values() for by_size in operations.values()
                    for size in by_size})
    operations = list(dict.fromkeys(name for each in points.values() for name in each))
    say(f"{'':<36}" + "".join(f"{size:>10}" for size in sizes) + f"{'growth':>8}")
    for operation in operations:
        for server, by_operation in points.items():
            by_size = by_operation.get(operation, {})
            growth = max(by_size.values()) / min(by_size.values()) if by_size else None
            say(f"{operation:<26}{server:<10}"
                + "".join(show(by_size.get(size), ".0f", 10) for size in sizes)
                + show(growth, ".1f", 7) + "x")
