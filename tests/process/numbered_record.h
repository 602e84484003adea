#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace runnel::test {

// The number behind the last `separator`.
inline int64_t NumberBehind(const std::string& text, char separator) {
  return std::stoll(text.substr(text.rfind(separator) + 1));
}

// A record in a topic is known by its producer and the sequence number there.
struct RecordName {
  // The name that is written in this value.
  static RecordName Of(const std::string& value) {
    return {std::stoi(value), NumberBehind(value, ':')};
  }

  // Each producer has keys of its own, so the records of a key have an order.
  std::string Key() const { return fmt::format("{}-{}", producer, seq * 7 % 23); }
  std::string Value() const { return fmt::format("{}:{}", producer, seq); }
  bool operator==(const RecordName&) const = default;

  int producer = 0;
  int64_t seq = 0;
};

}  // namespace runnel::test
