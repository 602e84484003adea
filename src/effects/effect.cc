#include "effects/effect.h"

#include <array>

#include "effects/families.h"
#include "fmt/format.h"

namespace runnel {
namespace {

using EffectTable = std::array<const EffectKind*, 256>;

EffectTable BuildTable() {
  EffectTable table{};
  for (const auto family :
       {KeyspaceEffects(), StringEffects(), ListEffects(), StreamEffects(), GroupEffects()}) {
    for (const EffectKind& kind : family) {
      const EffectKind*& place = table[static_cast<uint8_t>(kind.type)];
      CHECK(place == nullptr);
      place = &kind;
    }
  }
  return table;
}

}  // namespace

const EffectKind* FindEffectKind(EffectType type) {
  static const EffectTable table = BuildTable();
  return table[static_cast<uint8_t>(type)];
}

Status Replay(std::string_view record, Keyspace& keyspace) {
  Decoder in(record);
  const uint8_t type = in.Byte();
  const EffectKind* kind = FindEffectKind(static_cast<EffectType>(type));
  if (kind == nullptr) return Status::Error(fmt::format("no effect has the type {}", type));
  if (!kind->replay(in, keyspace)) {
    return Status::Error(fmt::format("the {} bytes are no {} effect", record.size(), kind->name));
  }
  return Status();
}

}  // namespace runnel
