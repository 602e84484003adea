#include "base/sealed.h"

#include <cstdint>

#include "base/coding.h"
#include "base/hash.h"

namespace runnel {
namespace {

constexpr size_t kChecksumBytes = sizeof(uint64_t);

}  // namespace

std::string Seal(std::string content) {
  const uint64_t checksum = Checksum(content);
  Encoder(&content).Fixed(checksum);
  return content;
}

std::optional<std::string_view> Unseal(std::string_view bytes, std::string_view title) {
  if (!bytes.starts_with(title) || bytes.size() < title.size() + kChecksumBytes) return {};
  const std::string_view covered = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (Decoder(bytes.substr(covered.size())).Fixed<uint64_t>() != Checksum(covered)) return {};
  return covered.substr(title.size());
}

}  // namespace runnel
