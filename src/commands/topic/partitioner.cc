#include "commands/topic/partitioner.h"

#include <zlib.h>

#include "base/varint.h"

namespace runnel {

uint32_t KafkaMurmur2(std::string_view key) {
  constexpr uint32_t kSeed = 0x9747b28c;
  constexpr uint32_t kMix = 0x5bd1e995;
  constexpr int kShift = 24;
  uint32_t hash = kSeed ^ static_cast<uint32_t>(key.size());
  size_t at = 0;
  for (; at + sizeof(uint32_t) <= key.size(); at += sizeof(uint32_t)) {
    uint32_t word = ReadFixed<uint32_t>(key.data() + at) * kMix;
    word = (word ^ (word >> kShift)) * kMix;
    hash = (hash * kMix) ^ word;
  }
  if (at < key.size()) {
    uint32_t rest = 0;
    for (size_t i = key.size(); i > at; i--) {
      rest = (rest << 8) | static_cast<uint8_t>(key[i - 1]);
    }
    hash = (hash ^ rest) * kMix;
  }
  hash = (hash ^ (hash >> 13)) * kMix;
  return hash ^ (hash >> 15);
}

uint32_t PartitionOfKey(Partitioner partitioner, std::string_view key, uint32_t partitions) {
  if (partitioner == Partitioner::kCrc32) {
    const auto* bytes = reinterpret_cast<const Bytef*>(key.data());
    return static_cast<uint32_t>(crc32_z(0, bytes, key.size())) % partitions;
  }
  return (KafkaMurmur2(key) & 0x7fffffff) % partitions;
}

}  // namespace runnel
