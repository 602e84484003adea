#!/usr/bin/env python3
"""Appends lines of the standard input to a topic, each exactly once.

A line has a key, a tab, and the value, which becomes the field `value`. A line without a tab has no
key. Line n has the sequence number n. If the program ends in the middle, start it again with the
same input: it goes on after the last line that the server has.
"""

import argparse
import sys
import time

import redis


def call_until_answered(server, *command):
    """Sends the command until there is a reply.

    A TADD with a sequence number may be sent again: if it was executed before, it gets its first
    reply again and adds nothing.
    """
    while True:
        try:
            return server.execute_command(*command)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            print("waiting:", error, file=sys.stderr)
            time.sleep(0.5)


def produce(server, topic, name):
    # The new epoch fences an instance of this producer that may still run somewhere.
    epoch, last_seq = call_until_answered(server, "TPRODUCER", "OPEN", topic, name)
    added = 0
    for seq, line in enumerate(sys.stdin):
        if seq <= last_seq:
            continue
        key, tab, value = line.rstrip("\n").partition("\t")
        options = ["KEY", key] if tab else []
        if not tab:
            value = line.rstrip("\n")
        call_until_answered(server, "TADD", topic, *options, "PRODUCER", name, epoch, seq, "*",
                            "value", value)
        added += 1
    print(f"the server has {last_seq + 1 + added} lines, {added} of them from this run",
          file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="the server (%(default)s)")
    parser.add_argument("--port", type=int, default=6379, help="its port (%(default)s)")
    parser.add_argument("--name", required=True, help="the producer: one name for each input")
    parser.add_argument("topic", help="a topic that exists")
    options = parser.parse_args()
    # A server that is silent for so long is gone.
    server = redis.Redis(options.host, options.port, decode_responses=True, socket_timeout=10)
    try:
        produce(server, options.topic, options.name)
    except redis.ResponseError as error:
        # FENCED: another instance of this producer was started.
        sys.exit(f"topic_producer: {error}")


if __name__ == "__main__":
    main()
