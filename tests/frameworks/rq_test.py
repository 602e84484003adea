#!/usr/bin/env python3
"""RQ: jobs, registries, the scheduler, work-horses that are killed."""

import os
import signal

from harness import expect, expect_all_done, kill_server_while_enqueuing, main, scenario

PYTHON = "/usr/bin/python3"


def worker(place, name="worker", *options):
    program = place.start(name, PYTHON, "/usr/bin/rq", "worker", "--url",
                          f"redis://127.0.0.1:{place.server.port}", *options)
    place.eventually(lambda: "Listening on" in program.output(), f"{name} is ready")
    return program


def client(place, action, *more):
    return place.run(action, PYTHON, "rq_jobs.py", action, *more)


@scenario
def results_retries_and_schedule(place):
    worker(place, "worker", "--with-scheduler")
    client(place, "results")
    client(place, "retries")
    client(place, "scheduled")


@scenario
def killed_work_horse(place):
    worker(place)
    identity = client(place, "send_hold", "middle").split()[-1]
    (began,) = place.eventually(lambda: place.marks("began"), "the job begins")
    os.kill(int(began.split()[1]), signal.SIGKILL)
    reason = client(place, "await_failed", identity)
    expect("terminated unexpectedly" in reason, "the reason", reason)
    place.open_gate("middle")
    client(place, "requeue", identity)


@scenario
def killed_worker(place):
    first = worker(place)
    identity = client(place, "send_hold", "middle").split()[-1]
    (began,) = place.eventually(lambda: place.marks("began"), "the job begins")
    first.kill()
    # The work-horse has a session of its own.
    os.kill(int(began.split()[1]), signal.SIGKILL)
    client(place, "abandon", identity)
    client(place, "await_failed", identity)
    place.open_gate("middle")
    worker(place, "second")
    client(place, "requeue", identity)


@scenario
def killed_server(place):
    program = worker(place)
    # While the worker is busy it asks for nothing: a reply to BLPOP that the crash swallows is
    # lost with every server.
    client(place, "send_hold", "middle")
    place.eventually(lambda: place.marks("began"), "the job begins")
    producer = place.start("producer", PYTHON, "rq_jobs.py", "produce")
    acknowledged = kill_server_while_enqueuing(place, producer, before=15, after=5)
    place.open_gate("middle")
    place.wait_for_mark("ended middle")
    expect_all_done(place, acknowledged)
    expect(program.running, "the worker survives the restart of the server")


main()
