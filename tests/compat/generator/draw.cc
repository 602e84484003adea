#include "tests/compat/generator/draw.h"

#include <fmt/format.h>

#include <algorithm>

namespace runnel::compat {

namespace {

// The finaliser of splitmix64: good enough to mix commands, and the same everywhere.
uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

}  // namespace

// Mixed, because seeds that follow one another would otherwise begin inside the same sequence.
Draw::Draw(uint64_t seed) : state_(Mix(seed + 1)) {}

uint64_t Draw::Below(uint64_t n) {
  state_ += 0x9e3779b97f4a7c15ULL;
  return Mix(state_) % n;
}

std::string Draw::Pick(std::initializer_list<const char*> words) {
  return *(words.begin() + Below(words.size()));
}

std::string Draw::KeyOf(char type) {
  if (in_transaction()) return only_key_;
  // One that waits for several keys would be told of the wrong type of one of them
  // (order-of-ready-keys).
  if (!waits_for_several && OneIn(40)) return AnyKey();
  return fmt::format("{}{}", type, 1 + Below(3));
}

std::string Draw::ListKey() {
  return KeyOf('l');
}

std::string Draw::StreamKey() {
  // The last one is a key like any other.
  if (with_topic && !in_transaction() && OneIn(2)) return Pick({"t/0", "t/0", "t/1", "t/2", "t/3"});
  return KeyOf('s');
}

std::string Draw::StringKey() {
  return KeyOf('v');
}

std::string Draw::HashKey() {
  return KeyOf('h');
}

std::string Draw::SetKey() {
  return KeyOf('e');
}

std::string Draw::SortedSetKey() {
  return KeyOf('z');
}

std::string Draw::AnyKey() {
  if (in_transaction()) return only_key_;
  return Pick({"l1", "l2", "l3", "s1", "s2", "s3", "v1", "v2", "v3", "h1", "h2", "e1", "e2", "z1",
               "z2", "none"});
}

std::string Draw::KeyLike(const std::string& other) {
  if (IsPartition(other)) return StreamKey();
  return KeyOf(other == "none" ? 'l' : other[0]);
}

std::string Draw::Element() {
  if (OneIn(12)) return Pick({"", "\r\n", "\x01\xff", "a longer element with some spaces in it"});
  return Pick({"a", "b", "c", "d", "1", "2", "10"});
}

std::string Draw::Index() {
  if (OneIn(20)) return Pick({"100", "-100", "9223372036854775807", "-9223372036854775808"});
  return Pick({"0", "1", "2", "3", "-1", "-2", "-3"});
}

std::string Draw::Count() {
  if (OneIn(12)) return Pick({"0", "-1", "100", "9223372036854775807"});
  return Pick({"1", "2", "3"});
}

std::string Draw::Side() {
  return OneIn(40) ? Pick({"UP", "left", "right", ""}) : Pick({"LEFT", "RIGHT"});
}

std::string Draw::Group() {
  return OneIn(20) ? "nogroup" : Pick({"g1", "g1", "g2"});
}

std::string Draw::Consumer() {
  return Pick({"c1", "c2", "c3"});
}

std::string Draw::Channel() {
  return Pick({"ch1", "ch2", "news", "n"});
}

std::string Draw::Pattern() {
  return Pick({"ch*", "ch[12]", "n*", "?ews", "*", "none*"});
}

std::string Draw::FreshId() {
  last_id_ += 1 + Below(3);
  return OneIn(5) ? std::to_string(last_id_) : fmt::format("{}-{}", last_id_, Below(3));
}

std::string Draw::NewId() {
  if (OneIn(12)) return OldStreamId();
  if (OneIn(3)) return fmt::format("{}-*", last_id_ + Below(2));
  return FreshId();
}

std::string Draw::OldId() {
  return records > 0 && OneIn(2) ? "{" + KeptRecord() + "}" : OldStreamId();
}

std::string Draw::KeptRecord() {
  return fmt::format("i{}", records - 1 - Below(std::min<uint64_t>(records, 12)));
}

std::string Draw::OldStreamId() {
  const uint64_t ms = last_id_ - std::min<uint64_t>(last_id_, Below(12));
  return OneIn(6) ? std::to_string(ms) : fmt::format("{}-{}", ms, Below(3));
}

std::string Draw::FarSeconds() {
  return Pick({"100000", "200000", "300000", "0", "-1"});
}

std::string Draw::FarMilliseconds() {
  return Pick({"100000000", "200000000", "300000000", "0", "-1"});
}

std::string Draw::Timeout() {
  return OneIn(15) ? Pick({"-1", "x", "", "nan"}) : Pick({"0", "0", "100000"});
}

std::string Draw::Garbage() {
  return Pick({"", "x", "-1", "0", "1", "2", "9223372036854775807", "9223372036854775808", "1-1",
               "-", "$", ">", "COUNT", "none", "-9223372036854775808"});
}

Argv Spoil(const Argv& command, Draw* draw) {
  Argv spoilt = command;
  const size_t at = 1 + draw->Below(spoilt.size());
  switch (draw->Below(5)) {
    case 0:
      if (at < spoilt.size()) spoilt.erase(spoilt.begin() + static_cast<ptrdiff_t>(at));
      break;
    case 1:
      spoilt.insert(spoilt.begin() + static_cast<ptrdiff_t>(at), draw->Garbage());
      break;
    case 2:
      if (at < spoilt.size()) spoilt[at] = draw->Garbage();
      break;
    case 3:
      if (at < spoilt.size()) std::swap(spoilt[at], spoilt.back());
      break;
    default:
      spoilt.resize(at);
      break;
  }
  return spoilt;
}

}  // namespace runnel::compat
