#pragma once

#include <compare>

#include "base/position.h"

namespace runnel {

// How far the journal has come in one respect. Each respect is a type of its own, so that one is
// never taken for another.
template <class Respect>
struct Watermark {
  Position position = 0;
  friend auto operator<=>(const Watermark&, const Watermark&) = default;
};

// All changes that were made are in frames up to here.
using Appended = Watermark<struct AppendedRespect>;
// The disk holds everything before this.
using Durable = Watermark<struct DurableRespect>;
// Everything before this is as safe as the policy (appendfsync) asks: replies that depend on it may
// leave.
using Safe = Watermark<struct SafeRespect>;

// Without a journal all are 0: nothing waits for anything.
struct Watermarks {
  Appended appended;
  Durable durable;
  Safe safe;
};

// Whether a reply that shows all changes up to `appended` may leave.
inline bool MayLeave(Appended appended, Safe safe) {
  return appended.position <= safe.position;
}

}  // namespace runnel
