#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "server/config_values.h"

namespace runnel {

// One directive: a row of the tables in config_directives.cc and config_kept.cc. A pair of
// functions reads, checks and shows its value; directives of one kind share them. The other fields
// are their parameters.
struct Directive {
  // The words after the name. Where `several` is true, those with blanks in them have been split.
  using Words = std::span<const std::string>;

  enum Change : uint8_t {
    kAnyTime,
    kAtStart,    // not by CONFIG SET
    kProtected,  // not by CONFIG SET, because a client could reach the file system with it
  };

  std::string_view name;
  Change change = kAnyTime;
  // Sets the value, or says why not (as Redis words it where Redis can say the same) and leaves it.
  // REQUIRES: exactly one word unless `several`.
  Status (*parse)(const Directive& directive, Words words, ConfigValues* values) = nullptr;
  // The value as CONFIG GET shows it. Parsing it again gives the same value.
  std::string (*format)(const Directive& directive, const ConfigValues& values) = nullptr;
  // Whole numbers and sizes.
  int64_t least = 0;
  int64_t most = 0;
  // The words to choose from, in the order of the enum's values. One value only: other words that
  // mean that value.
  std::span<const std::string_view> choices = {};
  // Takes any number of words.
  bool several = false;
  // Repeated lines add to each other; one with an empty value takes back those before it.
  bool adds = false;
  // False if the value is only kept and reported: config_kept.cc says why that does no harm.
  bool effect = true;
  // Accepted without effect: the default. One value only: that value.
  std::string_view value = {};
  // A second name, from older versions of Redis.
  std::string_view alias = {};
  // What it sets: the comment above the directive in conf/runnel.conf. One value only: why, which
  // is also the error.
  std::string_view why = {};
};

// All directives, in the order of conf/runnel.conf. Those without effect come last.
std::span<const Directive> Directives();
// By name or alias, in any case; nullptr if there is none.
const Directive* FindDirective(std::string_view name);
// Why a configuration with this name is refused, if it is one that Redis knows but that has no
// directive here; empty for all other names.
std::string_view WhyRefused(std::string_view name);

// Sets a directive from the words of a line or of CONFIG SET. Checks their number and splits them
// if the directive takes several.
Status ParseDirective(const Directive& directive, Directive::Words words, ConfigValues* values);

}  // namespace runnel
