#!/usr/bin/env python3
"""Celery with Redis as its broker and its result backend."""

import time

from harness import expect, expect_all_done, kill_server_while_enqueuing, main, scenario

PYTHON = "/usr/bin/python3"


def worker(place, name="worker", pool="solo", concurrency=1, **more):
    program = place.start(
        name, PYTHON, "-m", "celery", "-A", "celery_app", "worker", "--pool", pool, "--concurrency",
        str(concurrency), "--loglevel", "info", "--hostname", f"{name}@%h", **more)
    place.eventually(lambda: " ready." in program.output(), f"{name} is ready")
    return program


def client(place, action, *more):
    return place.run(action, PYTHON, "celery_app.py", action, *more)


@scenario
def results_and_workflows(place):
    worker(place, pool="prefork", concurrency=2)
    client(place, "remote")
    client(place, "results")
    client(place, "workflows")


@scenario
def retry_countdown_and_revoke(place):
    program = worker(place, pool="prefork", concurrency=1)
    later = place.start("later", PYTHON, "celery_app.py", "later")
    identity = place.eventually(lambda: place.marks("revoked"), "the task is revoked")[0]
    place.eventually(lambda: f"Tasks flagged as revoked: {identity}" in program.output(),
                     "the worker knows of the revoked task")
    place.open_gate("revoke")
    place.open_gate("checked")
    later.finish()
    expect(place.marks("attempt") == ["0", "1", "2"], "three attempts", place.marks())
    expect("revoked-ran" not in place.marks(), "the revoked task does not run")


@scenario
def killed_worker(place):
    first = worker(place, ACKS_LATE="yes")
    identity = client(place, "send_hold", "middle").split()[-1]
    place.wait_for_mark("began middle")
    first.kill()
    # A worker that starts takes over what is older than the visibility timeout, one second.
    (_, taken) = place.server.ask("ZRANGE", "unacked_index", 0, 0, "WITHSCORES")
    expect(place.server.ask("HLEN", "unacked") == 1, "one task is not acknowledged")
    place.eventually(lambda: time.time() - float(taken) > 1, "the visibility timeout is over")
    place.open_gate("middle")
    worker(place, name="second", ACKS_LATE="yes")
    expect(client(place, "await_result", identity).split()[-1] == "middle", "the task's result")
    expect(place.marks("began") == ["middle", "middle"], "two attempts", place.marks())
    place.eventually(lambda: place.server.ask("EXISTS", "unacked", "unacked_index") == 0,
                     "all tasks are acknowledged")


@scenario
def killed_server(place):
    program = worker(place, pool="prefork", concurrency=1)
    # The only process of the worker is busy, and it has the one task more that it may fetch ahead.
    # So it asks for nothing: a reply to BRPOP that the crash swallows is lost with every server.
    client(place, "send_hold", "middle")
    place.wait_for_mark("began middle")
    producer = place.start("producer", PYTHON, "celery_app.py", "produce")
    place.eventually(lambda: place.server.ask("HLEN", "unacked") == 1, "a task is fetched ahead")
    acknowledged = kill_server_while_enqueuing(place, producer)
    place.open_gate("middle")
    place.wait_for_mark("ended middle")
    expect_all_done(place, acknowledged)
    expect(program.running, "the worker survives the restart of the server")


main()
