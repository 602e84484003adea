#pragma once

#include <string>
#include <vector>

#include "tests/compat/script.h"
#include "tests/compat/side.h"
#include "tests/support/resp_client.h"

namespace runnel::compat {

// A change of a topic on our server, and what gives the oracle the same entries: there a partition
// is a stream under its name, which is there from the topic's creation on.
struct Mirrored {
  std::vector<Argv> commands;  // for the oracle, in this order, as one transaction
  std::string id;              // of the first record that was added; empty if none was
  std::string problem;         // not empty: what cannot be mirrored; nothing else counts then
};

// `command` was answered by `reply`. It is TOPIC CREATE, TOPIC TRIM, TOPIC DELETE, TADD (not with
// TOMBSTONE, which is no entry of a stream), or TADDM on a partition. Asks both sides on their
// control connections; `theirs` may be null, if there is no oracle.
Mirrored Mirror(const Argv& command, const test::Reply& reply, Side* ours, Side* theirs);

}  // namespace runnel::compat
