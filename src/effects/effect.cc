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

namespace {

// Reads the record's type.
Result<const EffectKind*> ReadKind(Decoder& in) {
  const uint8_t type = in.Byte();
  const EffectKind* kind = FindEffectKind(static_cast<EffectType>(type));
  if (kind == nullptr) return Status::Error(fmt::format("no effect has the type {}", type));
  return kind;
}

Status NotOfKind(std::string_view record, const EffectKind& kind) {
  return Status::Error(fmt::format("the {} bytes are no {} effect", record.size(), kind.name));
}

}  // namespace

Status Replay(std::string_view record, Keyspace& keyspace) {
  Decoder in(record);
  const auto kind = ReadKind(in);
  if (!kind.ok()) return kind.status();
  if (!(*kind)->replay(in, keyspace)) return NotOfKind(record, **kind);
  return Status();
}

Result<Description> Describe(std::string_view record, const DescribeLimits& limits) {
  Decoder in(record);
  const auto kind = ReadKind(in);
  if (!kind.ok()) return kind.status();
  Description description;
  description.text = (*kind)->name;
  Describer describer(limits, &description);
  if (!(*kind)->describe(in, describer)) return NotOfKind(record, **kind);
  return description;
}

}  // namespace runnel
