#pragma once

#include <cstddef>
#include <vector>

#include "base/position.h"

namespace runnel {

// What the broker's surroundings do for it. Command families of higher layers cast this to the
// class they know.
class BrokerHost {
 public:
  virtual ~BrokerHost() = default;

  // How far the connected followers of this server are, the foremost first: the positions up to
  // which they have the journal on their disks (`synced`), or up to which they have written it.
  // Empty if nobody follows.
  virtual std::vector<Position> FollowerPositions(bool synced) const {
    static_cast<void>(synced);
    return {};
  }
  // The number of connected followers that were heard from within min-replicas-max-lag seconds.
  virtual size_t GoodFollowers() const { return 0; }
  // Whether this server follows another one, and the link to that is down.
  virtual bool LeaderIsLost() const { return false; }
};

}  // namespace runnel
