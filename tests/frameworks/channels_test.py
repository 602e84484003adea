#!/usr/bin/env python3
"""channels-redis: groups of channels over several processes, with both of its layers."""

from harness import expect, main, scenario

PYTHON = "/usr/bin/python3"


def expect_group_works(place, layer):
    listeners = [place.start(f"listener{n}", PYTHON, "channels_layers.py", "listen", layer)
                 for n in range(3)]
    channels = place.eventually(lambda: len(place.marks("listens")) == 3 and place.marks("listens"),
                                "three channels")
    place.run("speak", PYTHON, "channels_layers.py", "speak", layer, *channels)
    for listener in listeners:
        listener.finish()
    # The layers keep the order of what one sender sends to one channel.
    texts = [f"all-{number}" for number in range(5)] + ["alone", "end"]
    for channel in channels:
        heard = [line.split()[1] for line in place.marks("heard") if line.split()[0] == channel]
        expect(heard == texts, "what", channel, "hears:", heard)
    expect(sorted(place.marks("left")) == sorted(channels), "all have left")


@scenario
def stored(place):
    expect_group_works(place, "core")
    place.run("rules", PYTHON, "channels_layers.py", "rules")


@scenario
def encrypted(place):
    expect_group_works(place, "encrypted")


@scenario
def published(place):
    expect_group_works(place, "pubsub")


main()
