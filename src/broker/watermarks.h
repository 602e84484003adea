#pragma once

#include <compare>

#include "base/position.h"

namespace runnel {

// How far the journal has come in one respect. Each respect has a type of its own, so that they
// cannot be confused.
template <class Respect>
struct Watermark {
  Position position = 0;
  friend auto operator<=>(const Watermark&, const Watermark&) = default;
};

// All changes made so far are in frames before this position.
using Appended = Watermark<struct AppendedRespect>;
// Everything before this position is on the disk.
using Durable = Watermark<struct DurableRespect>;
// Everything before this position is as safe as the policy (appendfsync) asks: replies that depend
// on it may be sent.
using Safe = Watermark<struct SafeRespect>;

// Without a journal all are 0, and nothing waits.
struct Watermarks {
  Appended appended;
  Durable durable;
  Safe safe;
};

// Whether a reply that shows all changes up to `appended` may be sent.
inline bool MayLeave(Appended appended, Safe safe) {
  return appended.position <= safe.position;
}

}  // namespace runnel
