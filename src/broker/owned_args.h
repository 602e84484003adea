#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace runnel {

// Arguments of a command that runs later than it arrived (queued by MULTI, blocked, parked, put
// off): a copy.
class OwnedArgs {
 public:
  OwnedArgs() = default;
  explicit OwnedArgs(std::span<const std::string_view> args);
  OwnedArgs(OwnedArgs&&) = default;
  OwnedArgs& operator=(OwnedArgs&&) = default;

  std::span<const std::string_view> views() const { return views_; }
  // Replaces argument i.
  void Replace(size_t i, std::string text);
  size_t MemoryBytes() const {
    return bytes_.capacity() + views_.capacity() * sizeof(std::string_view);
  }

 private:
  // A vector, not a string: moving one never moves its bytes, so the views stay valid.
  std::vector<char> bytes_;
  std::vector<std::string_view> views_;
  std::vector<std::vector<char>> replaced_;
};

}  // namespace runnel
