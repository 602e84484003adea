"""Starts a server and the programs of a job framework, and ends them whatever happens.

A test of this folder is a file with functions that @scenario marks, and a call of main(). Each
scenario gets a Place: a server of its own on a free port, with its data in a temporary directory.
What a scenario needs of a framework runs as programs (Place.start, Place.run), so that they can be
killed. They leave marks in a file (Place.marks) and wait at gates (Place.open_gate): these say what
has happened even while the server is down. A scenario waits for conditions (Place.eventually).

utils/bench-frameworks measures with programs of this folder: their action `speed`, and
USUAL_SETTINGS=yes in the environment, with which they keep the settings of the framework.

RUNNEL_SERVER in the environment names another server than the one of --server: redis-server shows
what a scenario expects. RUNNEL_TEST_PATIENCE is how many seconds a condition may take.
"""

import argparse
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE_SECONDS = float(os.environ.get("RUNNEL_TEST_PATIENCE", "60"))
SCENARIO_SECONDS = 3 * PATIENCE_SECONDS  # no scenario may take longer
PAUSE_SECONDS = 0.02  # between two looks
TAIL_LINES = 40
BACKLOG = 10  # acknowledged jobs that are not done when the server is killed
LEAST_NODE = 20
SKIPPED = 77  # exit code of a test that was skipped: CMakeLists.txt
PR_SET_PDEATHSIG = 1

_scenarios = []
_pause = threading.Event()  # never set
_libc = ctypes.CDLL(None)


class Failure(Exception):
    """What a scenario expected has not happened; the text says what."""


class Skipped(Exception):
    """The machine does not have what the test needs; the text says what."""


def scenario(function):
    """Marks a function of a test: it gets a Place, and raises if something is wrong."""
    _scenarios.append(function)
    return function


def expect(condition, *what):
    """Raises unless the condition holds. `what` is shown then."""
    if not condition:
        raise Failure("expected: " + " ".join(str(part) for part in what))


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """A process with a session of its own; its children are killed along with it."""

    def __init__(self, name, command, log, env, directory):
        self.name, self.log = name, log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, env=env,
                cwd=directory, start_new_session=True, preexec_fn=_die_with_parent)

    @property
    def running(self):
        return self.process.poll() is None

    def kill(self):
        """SIGKILL for the process and its children, then waits."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()

    def stop(self):
        """SIGTERM, then waits; an error if it does not end."""
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{self.name} does not end after SIGTERM") from late

    def finish(self):
        """Closes its standard input, waits until it has ended by itself, and expects success."""
        self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{self.name} does not end") from late
        expect(code == 0, f"exit code 0 of {self.name}, not {code}")

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


class Server:
    """The server, on a free port of 127.0.0.1. It keeps its port and its data over a restart."""

    def __init__(self, binary, root):
        self.binary = binary
        self.directory = os.path.join(root, "data")
        self.log = os.path.join(root, "server.log")
        os.makedirs(self.directory)
        self.port, self.program = 0, None

    def start(self):
        end = time.monotonic() + PATIENCE_SECONDS
        fresh = self.port == 0
        while True:
            if fresh:
                with socket.create_server(("127.0.0.1", 0)) as free:
                    self.port = free.getsockname()[1]
            self.program = Program(
                "server",
                [self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
                 self.directory, "--save", "", "--appendonly", "yes", "--appendfsync", "always"],
                self.log, dict(os.environ), self.directory)
            while self.program.running and time.monotonic() < end:
                if self._answers():
                    return
                _pause.wait(PAUSE_SECONDS)
            # Somebody else may have taken the port.
            self.program.kill()
            if time.monotonic() >= end or "ddress already in use" not in self.program.output():
                raise Failure("the server does not start")
            _pause.wait(PAUSE_SECONDS)

    def _answers(self):
        try:
            return self.ask("PING") == "PONG" and self.program.running
        except (OSError, Failure):
            return False

    def kill(self):
        self.program.kill()

    def ask(self, *words):
        """The reply to one command: text, a number, None, or a list of these."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
            parts = [str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts) +
                               b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            with connection.makefile("rb") as replies:
                return _read_reply(replies)


def _read_reply(replies):
    line = replies.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server has closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        raise Failure(f"the server answers {rest.decode()}")
    if kind == b":":
        return int(rest)
    if int(rest) < 0:
        return None
    if kind == b"$":
        return replies.read(int(rest) + 2)[:-2].decode(errors="replace")
    return [_read_reply(replies) for _ in range(int(rest))]


class Place:
    """Where one scenario runs: its directory, its server, its programs."""

    def __init__(self, arguments, root):
        self.root, self.node = root, arguments.node
        self.programs = []
        self.marks_file = os.path.join(root, "marks")
        self.gates = os.path.join(root, "gates")
        os.makedirs(self.gates)
        with open(self.marks_file, "w", encoding="utf-8"):
            pass
        self.server = None
        self.binary = os.environ.get("RUNNEL_SERVER") or arguments.server
        self.binary = os.path.abspath(shutil.which(self.binary) or self.binary)

    def serve(self):
        """Starts the server."""
        self.server = Server(self.binary, self.root)
        self.server.start()

    @property
    def environment(self):
        return dict(
            os.environ, PORT=str(self.server.port), MARKS=self.marks_file, GATES=self.gates,
            PATIENCE=str(PATIENCE_SECONDS), NODE_PATH=os.path.join(self.node, "node_modules"),
            PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1", LC_ALL="C.UTF-8",
            HOME=self.root)

    def start(self, name, *command, **more):
        """Starts a program of this folder; `name` names it and its log. `more` is environment."""
        environment = dict(self.environment, **more)
        number = sum(program.name == name for program in self.programs)
        log = os.path.join(self.root, f"{name}.{number}.log" if number else f"{name}.log")
        program = Program(name, self._find(command), log, environment, self.root)
        self.programs.append(program)
        return program

    def run(self, name, *command, **more):
        """Runs a program to its end, which must be a success. What it has written."""
        program = self.start(name, *command, **more)
        program.finish()
        return program.output()

    @staticmethod
    def _find(command):
        found = shutil.which(command[0])
        expect(found, f"the program {command[0]}, which `make deps-test` installs")
        return [found] + [
            os.path.join(HERE, part) if os.path.exists(os.path.join(HERE, part)) else part
            for part in command[1:]]

    def node_program(self, name, *command, **more):
        """Starts a program of Node with the packages of package.json."""
        self.expect_node()
        return self.start(name, "node", *command, **more)

    def run_node(self, name, *command, **more):
        program = self.node_program(name, *command, **more)
        program.finish()
        return program.output()

    def expect_node(self):
        """Skips the whole test if there is no Node that is new enough."""
        node = shutil.which("node")
        version = subprocess.run([node, "-p", "parseInt(process.versions.node)"], text=True,
                                 stdout=subprocess.PIPE, check=True).stdout if node else "0"
        if int(version) < LEAST_NODE:
            raise Skipped(f"Node {LEAST_NODE} or later is not here")
        expect(os.path.exists(os.path.join(self.node, "installed")),
               f"Node's packages in {self.node}, which `make deps-test` installs")

    def marks(self, word=None):
        """The marks that programs have left, in their order: those that begin with the word and a
        blank, without these; or all."""
        with open(self.marks_file, encoding="utf-8") as file:
            lines = [line.rstrip("\n") for line in file if line.endswith("\n")]
        if word is None:
            return lines
        return [line[len(word) + 1:] for line in lines if line.startswith(word + " ")]

    def open_gate(self, name):
        """Lets the programs go on that wait at this gate, or come to it later."""
        with open(os.path.join(self.gates, name), "w", encoding="utf-8"):
            pass

    def eventually(self, condition, what):
        """Waits until the condition holds; gives its value."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() >= end:
                raise Failure(f"this does not happen: {what}")
            _pause.wait(PAUSE_SECONDS)

    def wait_for_mark(self, mark, times=1):
        """Waits until this mark is there, or is there so many times."""
        self.eventually(lambda: self.marks().count(mark) >= times, f"mark '{mark}' x{times}")

    def end_programs(self):
        """Kills the programs, but not the server."""
        for program in self.programs:
            program.kill()

    def close(self):
        """Kills everything that was started."""
        self.end_programs()
        if self.server and self.server.program:
            self.server.program.kill()

    def tails(self):
        """The ends of all logs."""
        logs = [(program.name, program.log) for program in self.programs]
        if self.server:
            logs.append(("server", self.server.log))
        logs.append(("marks", self.marks_file))
        for name, path in logs:
            if not os.path.exists(path):
                continue
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
            yield f"--- {name}, the last {min(TAIL_LINES, len(lines))} of {len(lines)} lines"
            yield from ("    " + line for line in lines[-TAIL_LINES:])


def kill_server_while_enqueuing(place, producer, before=40, after=40):
    """Kills the server while the producer enqueues, and starts it again.

    The producer leaves the mark "enqueued N" when the server has acknowledged job N, until its
    standard input is closed. The server is killed when `before` jobs are enqueued and BACKLOG of
    them are not done, so that something can be lost; then `after` more must be acknowledged by the
    restarted one. Gives the numbers of all that were acknowledged.
    """
    def look():
        enqueued = set(place.marks("enqueued"))
        return len(enqueued) >= before and len(enqueued - set(place.marks("done"))) >= BACKLOG
    place.eventually(look, f"{before} jobs are enqueued, and {BACKLOG} of them wait")
    expect(producer.running, "the producer still runs")
    place.server.kill()
    known = len(place.marks("enqueued"))
    place.server.start()
    place.eventually(lambda: len(place.marks("enqueued")) >= known + after,
                     f"{after} jobs are enqueued after the restart")
    producer.finish()
    return set(place.marks("enqueued"))


def expect_all_done(place, jobs, supervise=None):
    """Waits until each of these jobs has left the mark "done N", as long as there are more and more
    of them. Calls supervise() meanwhile, which starts workers again that have ended."""
    missing = jobs

    def look():
        nonlocal missing
        if supervise:
            supervise()
        before, missing = len(missing), jobs - set(place.marks("done"))
        return not missing or len(missing) < before

    while missing:
        place.eventually(look, f"all of {len(jobs)} acknowledged jobs are done")


def _on_limit(*_):
    raise Failure(f"the scenario takes longer than {SCENARIO_SECONDS:.0f} seconds")


def _run(function, arguments):
    """Runs one scenario; whether it went well."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="runnel-frameworks-",
                                     ignore_cleanup_errors=True) as root:
        place = Place(arguments, root)
        signal.setitimer(signal.ITIMER_REAL, SCENARIO_SECONDS)
        try:
            place.serve()
            function(place)
        except Skipped as reason:
            print(f"skipped: {reason}")
            sys.exit(SKIPPED)
        except Exception:  # everything that a scenario can raise is its failure
            signal.setitimer(signal.ITIMER_REAL, 0)
            place.close()
            print(f"FAILED {function.__name__} with {place.binary}")
            print(traceback.format_exc(), end="")
            print("\n".join(place.tails()), flush=True)
            return False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            place.close()
    print(f"good {function.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default="redis-server", help="the server's program")
    parser.add_argument("--node", default=os.path.join(HERE, "..", "..", "build", "node"),
                        help="where Node's packages are")
    parser.add_argument("scenarios", nargs="*", help="all, if none is named")
    arguments = parser.parse_args()
    arguments.node = os.path.abspath(arguments.node)
    known = {function.__name__: function for function in _scenarios}
    unknown = set(arguments.scenarios) - set(known)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    signal.signal(signal.SIGALRM, _on_limit)
    # An interrupted test still stops what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = [known[name] for name in arguments.scenarios] or _scenarios
    results = [_run(function, arguments) for function in chosen]
    sys.exit(0 if all(results) else 1)
