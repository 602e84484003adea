#include "commands/context.h"

#include "commands/errors.h"
#include "fmt/format.h"

namespace runnel {

void Context::ThrowTooManyChanges() const {
  throw TooManyChanges{
      fmt::format("ERR the transaction has written {} bytes of changes, the limit is {}",
                  batch_.size(), options_.most_change_bytes)};
}

bool Context::FailIfTooManyChanges(uint64_t bytes) {
  if (bytes <= options_.most_change_bytes) return false;
  reply_.Error(
      fmt::format("ERR the command may write {} bytes of changes to the journal, the limit is {}",
                  bytes, options_.most_change_bytes));
  return true;
}

bool Context::FailIfMemoryIsFull() {
  if (!memory_is_full()) return false;
  reply_.Error(kMemoryIsFull);
  return true;
}

}  // namespace runnel
