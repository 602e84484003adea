#include "broker/session.h"

#include "broker/parked.h"
#include "broker/waiters.h"

namespace runnel {

Session::Session(uint64_t id, Transport* transport) : id(id), transport(transport), reply(&out) {}

Session::~Session() = default;

}  // namespace runnel
