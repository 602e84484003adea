"""How long single commands on much data hold a server's loop (the case turns of bench).

While a command runs, another client sends PING after PING: its longest wait is what everybody else
waits for. Where the server tells its longest turn itself (longest_turn_us), that is shown too.
"""

import socket
import statistics
import threading
import time

from bench_lib import Failure, progress, ratio, say, show, wanted

ITEMS = 1_000_000
QUICK_ITEMS = 100_000
AT_ONCE = 1000
ROUNDS = 3


def requests_of(*commands):
    """The commands' bytes, one after the other."""
    parts = []
    for words in commands:
        parts.append(b"*%d\r\n" % len(words))
        for word in words:
            word = str(word).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def keys(client, items):
    for first in range(0, items, AT_ONCE):
        client.ask("MSET", *(word for i in range(first, first + AT_ONCE)
                             for word in (f"key:{i}", "value")))


def a_list(client, items, name="list"):
    for first in range(0, items, AT_ONCE):
        client.ask("RPUSH", name, *(f"element:{i}" for i in range(first, first + AT_ONCE)))


def a_stream(client, items):
    for first in range(1, items + 1, AT_ONCE):
        client.ask_all(("XADD", "stream", f"{i}-0", "field", f"value:{i}")
                       for i in range(first, first + AT_ONCE))


def pending(client, items):
    a_stream(client, items)
    client.ask("XGROUP", "CREATE", "stream", "group", 0)
    for _ in range(0, items, AT_ONCE):
        client.ask("XREADGROUP", "GROUP", "group", "consumer", "COUNT", AT_ONCE, "STREAMS",
                   "stream", ">")


def a_string(client, items):
    client.ask("SET", "string", "x" * (100 * items))


# What the command finds, and the command. `{n}` is the number of items.
COMMANDS = [
    (keys, "FLUSHALL"),
    (keys, "KEYS nothing*"),
    (keys, "KEYS *"),
    (a_list, "DEL list"),
    (a_list, "LRANGE list 0 -1"),
    (a_list, "LPOS list nothing"),
    (a_list, "LREM list 0 nothing"),
    (a_list, "LTRIM list 0 9"),
    (a_list, "COPY list other"),
    (a_list, "LPOP list {n}"),
    (a_stream, "XRANGE stream - +"),
    (a_stream, "XTRIM stream MAXLEN 10"),
    (a_stream, "DEL stream"),
    (pending, "XPENDING stream group - + 10 nobody"),
    (pending, "XPENDING stream group IDLE 1000000 - + 10"),
    (pending, "XINFO STREAM stream FULL COUNT 0"),
    (pending, "XGROUP DESTROY stream group"),
    (pending, "XGROUP DELCONSUMER stream group consumer"),
    (pending, "XAUTOCLAIM stream group other 0 0 COUNT {n}"),
    (pending, "DEL stream"),
    (a_string, "COPY string other"),
    (a_string, "GETRANGE string 0 -1"),
    (a_string, "APPEND string x"),
    (pending, "BGSAVE"),
]


class Waiting(threading.Thread):
    """Asks again and again and keeps the longest wait, in seconds."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self.over = threading.Event()
        self.longest = 0
        self.failure = None

    def run(self):
        try:
            while not self.over.is_set():
                begin = time.perf_counter()
                self.socket.sendall(b"PING\r\n")
                if self.socket.recv(64) != b"+PONG\r\n":
                    raise Failure("no PONG")
                self.longest = max(self.longest, time.perf_counter() - begin)
        except (OSError, Failure) as failure:
            self.failure = failure
        self.socket.close()

    def end(self):
        self.over.set()
        self.join()
        if self.failure:
            raise Failure(f"PING beside the command: {self.failure}")
        return self.longest


def run_command(server, words):
    """Sends the command and takes its reply, whatever its size."""
    mark = b"$8\r\nthe end.\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(requests_of(words, ["ECHO", "the end."]))
        tail = b""
        while not tail.endswith(mark):
            received = connection.recv(1 << 20)
            if not received:
                raise Failure(f"{words[0]}: the server closed the connection")
            tail = (tail + received)[-len(mark):]


def measure(server, fill, words, items):
    server.start()
    with server.client() as client:
        client.ask("FLUSHALL")
        fill(client, items)
        client.ask("CONFIG", "RESETSTAT")
        waiting = Waiting(server)
        waiting.start()
        run_command(server, words)
        while client.info("persistence")["rdb_bgsave_in_progress"] != "0":
            time.sleep(0.01)
        longest = waiting.end()
        turn = client.info("stats").get("longest_turn_us")
    return {"wait_ms": longest * 1000, "turn_ms": None if turn is None else int(turn) / 1000}


def compare_turns(bench, options):
    if not wanted(options, "turns"):
        return None
    items = QUICK_ITEMS if options.quick else ITEMS
    ours, theirs = (server.name for server in bench.servers)
    say(f"\nTurns: {items} keys, elements or entries (strings: 100 times so many bytes); ms: the "
        f"longest wait of a PING beside the command\nand the longest turn as the server tells it; "
        f"medians of {ROUNDS} rounds")
    say(f"{'command':<46}{ours:>10}{theirs:>10}{'ratio':>7}{'turn':>10}")
    results = {}
    for fill, command in COMMANDS:
        words = command.replace("{n}", str(items)).split()
        runs = bench.rounds(f"turns: {command}", ROUNDS,
                            lambda server: measure(server, fill, words, items))
        waits = [middle(runs[server.name], "wait_ms") for server in bench.servers]
        say(f"{' '.join(words):<46}{show(waits[0], '.2f', 10)}{show(waits[1], '.2f', 10)}"
            f"{show(ratio(*waits), '.2f', 7)}{show(middle(runs[ours], 'turn_ms'), '.2f', 10)}")
        results[command] = runs
    progress("")
    return results


def middle(runs, key):
    values = [run[key] for run in runs if run[key] is not None]
    return statistics.median(values) if values else None
