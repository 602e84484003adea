#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/position.h"

namespace runnel {

class Session;

// A connection to another server, for CLIENT LIST and CLIENT KILL.
struct ServerLink {
  uint64_t id = 0;         // as sessions have them
  bool to_leader = false;  // the other end leads; if not, it follows
  std::string peer;
  std::string local;
  int fd = -1;
  int64_t age_ms = 0;
  int64_t idle_ms = 0;  // since something came
  size_t input_bytes = 0;
  size_t input_memory = 0;
  size_t output_bytes = 0;
  size_t output_memory = 0;
};

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
  // Whether a follower has lost its data, and has nothing to serve until the leader has given it.
  virtual bool LacksState() const { return false; }
  // Inside of a command of this session that takes long: requests of other clients are read and
  // given to the broker, which refuses most of them, and the replies are sent.
  virtual void ServeOthers(const Session& running) { static_cast<void>(running); }
  // By ID.
  virtual std::vector<ServerLink> Links() const { return {}; }
  // Ends the link with this ID, if there is one. The other end may connect anew.
  virtual void EndLink(uint64_t id) { static_cast<void>(id); }
};

}  // namespace runnel
