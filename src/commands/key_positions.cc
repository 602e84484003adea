#include "commands/key_positions.h"

#include <algorithm>

#include "base/numbers.h"
#include "base/text.h"

namespace runnel {
namespace {

using Args = std::span<const std::string_view>;

// Adds the arguments first, first + step, ... up to and with `last`. False if they are not there.
bool AddKeys(const KeySpec& spec, Args args, int64_t first, int64_t last, int step,
             std::vector<KeyPosition>* keys) {
  if (first < 1 || last < first || last >= static_cast<int64_t>(args.size())) return false;
  for (int64_t i = first; i <= last; i += step) {
    keys->push_back({static_cast<size_t>(i), &spec});
  }
  return true;
}

// The argument that follows the last STORE; 0 if there is none. The arguments of other options may
// be that word, too.
size_t FindSortTarget(const KeySpec& spec, Args args) {
  size_t target = 0;
  for (size_t i = static_cast<size_t>(spec.first); i + 1 < args.size(); i++) {
    if (EqualsIgnoreCase(args[i], "STORE")) {
      target = ++i;
    } else if (EqualsIgnoreCase(args[i], "LIMIT")) {
      i += 2;
    } else if (EqualsIgnoreCase(args[i], "GET") || EqualsIgnoreCase(args[i], "BY")) {
      i++;
    }
  }
  return target;
}

bool AddSpec(const KeySpec& spec, Args args, std::vector<KeyPosition>* keys) {
  const auto count = static_cast<int64_t>(args.size());
  switch (spec.find) {
    case KeySpec::kRange: {
      const int64_t last = spec.last < 0 ? count + spec.last : spec.first + spec.last;
      return AddKeys(spec, args, spec.first, last, spec.step, keys);
    }
    case KeySpec::kKeyNum: {
      if (spec.first >= count) return false;
      const std::optional<int64_t> keys_given = ParseInteger(args[static_cast<size_t>(spec.first)]);
      if (!keys_given || *keys_given < 1 || *keys_given >= count) return false;
      return AddKeys(spec, args, spec.first + 1, spec.first + *keys_given, 1, keys);
    }
    case KeySpec::kKeyword:
    case KeySpec::kAllAfter: {
      for (int64_t i = spec.first; i < count; i++) {
        if (!EqualsIgnoreCase(args[static_cast<size_t>(i)], spec.keyword)) continue;
        const int64_t first = i + 1;
        const int64_t end = spec.find == KeySpec::kAllAfter ? count : first + (count - first) / 2;
        return AddKeys(spec, args, first, end - 1, 1, keys);
      }
      return false;
    }
    case KeySpec::kUnknown:
      return true;
    case KeySpec::kSortTarget: {
      const size_t target = FindSortTarget(spec, args);
      if (target > 0) keys->push_back({target, &spec});
      return true;
    }
  }
  return false;
}

// What is done to the keys of a specification by a call with these arguments.
const KeySpec& SpecFor(const KeySpec& spec, Args args) {
  if (spec.without_get == nullptr) return spec;
  const auto options = args.subspan(std::min<size_t>(args.size(), 3));
  const bool gets = std::any_of(options.begin(), options.end(), [](std::string_view word) {
    return EqualsIgnoreCase(word, "GET");
  });
  return gets ? spec : *spec.without_get;
}

}  // namespace

std::optional<std::vector<KeyPosition>> FindKeys(const CommandSpec& spec, Args args) {
  std::vector<KeyPosition> keys;
  for (const KeySpec& key_spec : spec.keys) {
    if (!AddSpec(SpecFor(key_spec, args), args, &keys)) return std::nullopt;
  }
  return keys;
}

KeyRange FindKeyRange(const CommandSpec& spec) {
  KeyRange range;
  for (const KeySpec& key_spec : spec.keys) {
    if (key_spec.find != KeySpec::kRange) continue;
    const int last = key_spec.last < 0 ? key_spec.last : key_spec.first + key_spec.last;
    if (range.first == 0) {
      range = {key_spec.first, last, key_spec.step};
    } else if (range.last == key_spec.first - 1 && range.step == key_spec.step) {
      range.last = last;
    }
  }
  return range;
}

bool HasMovableKeys(const CommandSpec& spec) {
  return std::any_of(spec.keys.begin(), spec.keys.end(),
                     [](const KeySpec& key_spec) { return key_spec.find != KeySpec::kRange; });
}

}  // namespace runnel
