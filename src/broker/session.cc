#include "broker/session.h"

#include "broker/suspended.h"
#include "broker/tracking_state.h"
#include "broker/watch.h"

namespace runnel {

Session::Session(uint64_t id, Transport* transport)
    : id(id), transport(transport), reply(&output.pending) {}

Session::~Session() = default;

}  // namespace runnel
