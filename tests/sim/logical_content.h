#pragma once

#include "data/keyspace.h"
#include "data/testing.h"

namespace runnel::sim {

// Like ContentOf, but equal for streams whose entries only lie in other blocks. A stream that has
// lost all entries of its open block begins a new one; read back from a snapshot, it goes on in the
// block before.
KeyspaceContent LogicalContentOf(const Keyspace& keyspace);

}  // namespace runnel::sim
