#include "broker/owned_args.h"

#include <cstring>

namespace runnel {

OwnedArgs::OwnedArgs(std::span<const std::string_view> args) {
  size_t total = 0;
  for (const std::string_view arg : args) {
    total += arg.size();
  }
  bytes_.resize(total);
  views_.reserve(args.size());
  char* out = bytes_.data();
  for (const std::string_view arg : args) {
    if (!arg.empty()) std::memcpy(out, arg.data(), arg.size());
    views_.emplace_back(out, arg.size());
    out += arg.size();
  }
}

void OwnedArgs::Replace(size_t i, std::string text) {
  const std::vector<char>& bytes = replaced_.emplace_back(text.begin(), text.end());
  views_[i] = {bytes.data(), bytes.size()};
}

}  // namespace runnel
