"""What the jobs of the Python frameworks do: marks in a file, and waiting at gates."""

import os
import select
import time

PORT = int(os.environ.get("PORT", "0"))


def mark(*words):
    """Appends one line to the file of marks, in one write."""
    line = " ".join(str(word) for word in words) + "\n"
    file = os.open(os.environ["MARKS"], os.O_WRONLY | os.O_APPEND)
    os.write(file, line.encode())
    os.close(file)


def eventually(condition, what):
    """Waits until the condition holds."""
    end = time.monotonic() + float(os.environ["PATIENCE"])
    while not condition():
        if time.monotonic() >= end:
            raise RuntimeError(f"this does not happen: {what}")
        select.select([], [], [], 0.01)


def gate(name):
    """Waits until the gate is open. An error if the test is over, so that no job outlives it."""
    path = os.path.join(os.environ["GATES"], name)
    eventually(lambda: os.path.exists(path) or not os.path.exists(os.environ["GATES"]),
               f"gate {name} is open")
    if not os.path.exists(path):
        raise RuntimeError("the test is over")


def marks():
    with open(os.environ["MARKS"], encoding="utf-8") as file:
        return file.read().splitlines()


def await_mark(line):
    eventually(lambda: line in marks(), f"mark '{line}'")


def enqueue_to_measure(enqueue, warm, measured):
    """Enqueues so many jobs to warm up, and as many as are measured, each when its gate is open.
    enqueue(word) enqueues a job that does nothing, or that leaves a mark if there is a word: the
    last ones leave "done warm" and "done measured"."""
    for name, count in (("warm", warm), ("measured", measured)):
        gate(name)
        for _ in range(int(count) - 1):
            enqueue(None)
        enqueue("done " + name)


def enqueue_until_closed(enqueue):
    """Enqueues jobs 0, 1, ... until standard input is closed; leaves the mark "enqueued N" for
    each that is acknowledged. Which errors count as "not acknowledged" is up to enqueue: it gives
    whether the job is acknowledged."""
    number = 0
    while not select.select([0], [], [], 0.005)[0]:
        if enqueue(number):
            mark("enqueued", number)
        number += 1
