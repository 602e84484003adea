#include "effects/effect.h"

#include <array>

#include "effects/families.h"
#include "fmt/format.h"

namespace runnel {
namespace {

using EffectTable = std::array<const EffectKind*, 256>;

EffectTable BuildTable() {
  EffectTable table{};
  for (const auto family : {KeyspaceEffects(), StringEffects(), ListEffects(), StreamEffects(),
                            GroupEffects(), TopicEffects(), TopicGroupEffects(), HashEffects(),
                            SetEffects(), SortedSetEffects(), FunctionEffects()}) {
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

Record::Record(std::string_view bytes, std::optional<KeyRef>* last_key) : bytes(bytes) {
  Decoder in(bytes);
  const uint8_t byte = in.Byte();
  const bool leaves_out_key = (byte & kSameKey) != 0;
  type = static_cast<EffectType>(byte & ~kSameKey);
  kind = FindEffectKind(type);
  if (kind == nullptr) {
    last_key->reset();
    return;
  }
  if (!kind->begins_with_key) {
    has_head = !leaves_out_key;
  } else if (leaves_out_key) {
    has_head = last_key->has_value();
    if (has_head) key = **last_key;
  } else {
    key = DecodeKey(in);
    has_head = in.ok();
    if (has_head) *last_key = key;
  }
  if (!has_head) last_key->reset();
  fields = in.Rest();
}

Record::Record(std::string_view bytes) {
  std::optional<KeyRef> none;
  *this = Record(bytes, &none);
}

namespace {

Status Refusal(const Record& record) {
  if (record.kind == nullptr) {
    return Status::Error(
        fmt::format("no effect has the type {}", static_cast<uint8_t>(record.type)));
  }
  return Status::Error(
      fmt::format("the {} bytes are no {} effect", record.bytes.size(), record.kind->name));
}

}  // namespace

Status Replay(const Record& record, Keyspace& keyspace) {
  Misfit misfit;
  if (!record.has_head || !record.kind->replay(record, keyspace, &misfit)) return Refusal(record);
  if (misfit.fits()) [[likely]]
    return Status();
  const auto description = Describe(record, {});
  return Status::Error(fmt::format("{} does not fit: {}",
                                   description.ok() ? description->text : record.kind->name,
                                   misfit.why()));
}

uint64_t DatabasesNeeded(const Record& record) {
  return record.has_head ? record.kind->databases(record) : 0;
}

Result<Description> Describe(const Record& record, const DescribeLimits& limits) {
  if (!record.has_head) return Refusal(record);
  Description description;
  description.text = record.kind->name;
  Describer describer(limits, &description);
  if (!record.kind->describe(record, describer)) return Refusal(record);
  return description;
}

}  // namespace runnel
