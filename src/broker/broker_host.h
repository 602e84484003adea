#pragma once

namespace runnel {

// What the broker's surroundings do for it. Command families of higher layers cast this to the
// class they know.
class BrokerHost {
 public:
  virtual ~BrokerHost() = default;
};

}  // namespace runnel
