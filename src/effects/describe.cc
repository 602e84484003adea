#include "effects/describe.h"

#include "base/numbers.h"
#include "base/text.h"
#include "fmt/format.h"

namespace runnel {

void Describer::Add(uint64_t number) {
  out_.text += fmt::format("{}", number);
}

void Describer::Add(int64_t number) {
  out_.text += fmt::format("{}", number);
}

void Describer::Add(ExpiryTime time) {
  out_.text += time == kNoExpiry ? "never" : fmt::format("{}", time.ms);
}

void Describer::Add(std::string_view bytes) {
  const std::string_view shown = bytes.substr(0, limits_.bytes);
  out_.text += Quote(shown);
  AddRest(bytes.size() - shown.size());
}

void Describer::Add(StreamId id) {
  out_.text += id.ToString();
}

void Describer::Add(const ScoredMember& member) {
  out_.text += FormatDouble(member.score) + " ";
  Add(member.member);
}

void Describer::Add(const KeyRef& key) {
  out_.keys.push_back(key);
  out_.text += fmt::format("{}:", key.db);
  Add(key.name);
}

void Describer::AddRest(size_t left_out) {
  if (left_out > 0) out_.text += fmt::format("(+{})", left_out);
}

}  // namespace runnel
