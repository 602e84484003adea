"""The tasks of the Celery test, and what a client does with them: celery_app.py ACTION."""

import os
import sys

import celery
import celery.exceptions

import jobs

URL = f"redis://127.0.0.1:{jobs.PORT}"
app = celery.Celery("celery_app", broker=URL + "/0", backend=URL + "/1")
if os.environ.get("USUAL_SETTINGS") != "yes":
    app.conf.update(
        task_acks_late=os.environ.get("ACKS_LATE") == "yes",
        worker_prefetch_multiplier=1,
        broker_transport_options={"visibility_timeout": 1},
        result_expires=300,
    )
PATIENCE = float(os.environ["PATIENCE"])


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=5)
def succeed_at(self, attempt):
    jobs.mark("attempt", self.request.retries)
    if self.request.retries < attempt:
        raise self.retry(countdown=0.2)
    return self.request.retries


@app.task
def note(word):
    jobs.mark(word)


@app.task
def hold(name):
    """A task in the middle of which a test does something."""
    jobs.mark("began", name)
    jobs.gate(name)
    jobs.mark("ended", name)
    return name


@app.task(ignore_result=True)
def do(number):
    jobs.mark("done", number)


@app.task
def nothing(word):
    if word:
        jobs.mark(word)


def check(condition, *what):
    if not condition:
        raise AssertionError(what)


def keep_subscribed():
    """Subscribes to the result of a task that nobody runs. A client that has once waited for all
    its results may hear of later ones only by looking once a second, whatever the server: redis-py
    4.3 may take the confirmation that nothing is subscribed for newer than the next SUBSCRIBE."""
    return add.apply_async((0, 0), queue="nobody")


def results():
    kept = keep_subscribed()
    check(add.delay(2, 3).get(PATIENCE) == 5)
    many = [add.delay(n, n) for n in range(20)]
    check([one.get(PATIENCE) for one in many] == [2 * n for n in range(20)])
    failed = fail.delay("on purpose")
    try:
        failed.get(PATIENCE)
        check(False, "the failure is not seen")
    except ValueError as error:
        check(str(error) == "on purpose", error)
    check(failed.state == "FAILURE", failed.state)
    forgotten = add.delay(1, 1)
    forgotten.get(PATIENCE)
    forgotten.forget()
    check(app.AsyncResult(forgotten.id).state == "PENDING")
    check(kept.state == "PENDING")


def workflows():
    kept = keep_subscribed()
    check(celery.chain(add.s(1, 2), add.s(10), add.s(100))().get(PATIENCE) == 113)
    check(celery.group(add.s(n, 1) for n in range(5))().get(PATIENCE) == [1, 2, 3, 4, 5])
    chord = celery.chord([add.s(n, n) for n in range(10)])(total.s())
    check(chord.get(PATIENCE) == 90)
    broken = celery.chord([add.s(1, 1), fail.s("header")])(total.s())
    try:
        # The result that the client got from chord() may report the error of its header instead.
        app.AsyncResult(broken.id).get(PATIENCE)
        check(False, "the chord does not fail")
    except celery.exceptions.ChordError:
        pass
    check(kept.state == "PENDING")


def later():
    kept = keep_subscribed()
    check(succeed_at.delay(2).get(PATIENCE) == 2)
    slow = add.apply_async((4, 4), countdown=0.3)
    check(slow.get(PATIENCE) == 8)
    # Bound to run while the worker is held: a revoked task must not.
    held = hold.delay("revoke")
    revoked = note.apply_async(("revoked-ran",))
    jobs.await_mark("began revoke")
    app.control.revoke(revoked.id, reply=False)
    jobs.mark("revoked", revoked.id)
    jobs.gate("checked")
    check(held.get(PATIENCE) == "revoke")
    try:
        revoked.get(PATIENCE)
        check(False, "the revoked task has a result")
    except celery.exceptions.TaskRevokedError:
        pass
    check(kept.state == "PENDING")


def remote():
    check(app.control.ping(timeout=1, limit=1), "no pong")


def send_hold():
    print(hold.delay(sys.argv[2]).id)


def await_result():
    print(app.AsyncResult(sys.argv[2]).get(PATIENCE))


def produce():
    def enqueue(number):
        try:
            do.apply_async((number,), retry=False)
            return True
        except celery.exceptions.OperationalError:
            return False
        except Exception as error:  # kombu does not wrap all errors of a lost connection
            print(f"not acknowledged: {number}: {error!r}")
            return False
    jobs.enqueue_until_closed(enqueue)


def speed():
    jobs.enqueue_to_measure(nothing.delay, *sys.argv[2:])


if __name__ == "__main__":
    sys.modules["celery_app"] = sys.modules["__main__"]
    globals()[sys.argv[1]]()
