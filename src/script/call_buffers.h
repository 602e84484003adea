#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_writer.h"
#include "resp/rope.h"

namespace runnel {

// What redis.call works with. It belongs to the interpreter, because errors of Lua leave functions
// without destroying what is on their stack; and so no call has to allocate it.
struct CallBuffers {
  std::vector<std::string_view> args;
  std::string numbers;  // the texts of arguments that are numbers
  Rope rope;
  ReplyWriter reply{&rope};
  std::string flat;  // a reply that the rope has in several pieces

  void Release() {
    constexpr size_t kKept = 64 * 1024;
    args.clear();
    rope.Clear();
    if (flat.capacity() > kKept) flat = std::string();
    if (numbers.capacity() > kKept) numbers = std::string();
  }
};

}  // namespace runnel
