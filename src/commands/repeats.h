#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <absl/container/flat_hash_set.h>

#include "commands/context.h"

// Replies that may name the same thing again and again, so that neither the values nor the request
// bound them: what is drawn at random (HRANDFIELD, SRANDMEMBER and ZRANDMEMBER with a negative
// count), and what a client names several times (MGET, HMGET, XREAD, XCLAIM).

namespace runnel::commands {

// So many things a reply may draw that may be equal.
inline constexpr int64_t kMostDraws = 1'000'000;

// Reads how many things to draw. A negative number means that they may be equal. Writes the error
// and returns false if it is no such number.
[[nodiscard]] bool ReadDrawCount(Context& context, std::string_view text, int64_t* count);
// The same for a count that was read, if each thing takes two places in the reply.
[[nodiscard]] bool CheckPairCount(Context& context, int64_t count);

// Writes an error and returns false if a reply is about to repeat too many bytes. For a command
// that cannot take its reply back.
[[nodiscard]] bool CheckRepeatedBytes(Context& context, uint64_t bytes);

// The bound of such a reply, which begins where this is made: the draws, and the bytes that were
// written (DataOptions::most_change_bytes, as for SORT).
class RepeatBound {
 public:
  explicit RepeatBound(Context& context)
      : context_(context), before_(context.reply().rope().size()) {}

  // Writes an error and returns false if these are too many draws of things that may be equal.
  [[nodiscard]] bool Allows(uint64_t draws);
  // Called after each part of the reply. Returns false, with an error in the place of the reply, if
  // that is too large.
  [[nodiscard]] bool Holds() { return !exceeded() || Refuse(); }
  // The same for a reply that may be of any size unless it repeats itself. It has what `find(i)`
  // gives for each i below `count`: an address that tells it from others, or nullptr for nothing,
  // and its size. Everything is looked up again, but only if the reply is large.
  template <class Find>
  [[nodiscard]] bool HoldsWithoutRepeats(size_t count, Find find) {
    if (!exceeded() || repeats_little_) [[likely]]
      return true;
    absl::flat_hash_set<const void*> met;
    uint64_t repeated = 0;
    for (size_t i = 0; i < count; i++) {
      const std::pair<const void*, size_t> found = find(i);
      if (found.first != nullptr && !met.insert(found.first).second) repeated += found.second;
    }
    repeats_little_ = repeated <= most();
    return repeats_little_ || Refuse();
  }

 private:
  uint64_t most() const { return context_.options().most_change_bytes; }
  bool exceeded() const { return context_.reply().rope().size() - before_ > most(); }
  bool Refuse();

  Context& context_;
  const size_t before_;
  bool repeats_little_ = false;
};

}  // namespace runnel::commands
