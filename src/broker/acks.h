#pragma once

#include <cstdint>
#include <string_view>

namespace runnel {

// What the replies to a client wait for. Replies to reads wait as those to writes do: they show
// what others have written.
enum class Acks : uint8_t {
  kNone,    // nothing
  kLeader,  // the policy of this server's own journal (appendfsync)
  kAll,     // the high watermark: every in-sync replica has it
};

// As `CLIENT ACKS` and the directive `acks` write it.
constexpr std::string_view NameOf(Acks acks) {
  switch (acks) {
    case Acks::kNone:
      return "0";
    case Acks::kLeader:
      return "1";
    case Acks::kAll:
      break;
  }
  return "all";
}

}  // namespace runnel
