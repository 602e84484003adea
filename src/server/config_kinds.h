#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/status.h"
#include "fmt/format.h"
#include "server/config_directives.h"

// The kinds of values that directives have. The tables of directives are built from them.

namespace runnel::config {

// Offsets in a stream's block have 16 bits, and a block may grow to four times this
// (data/stream/block.h).
inline constexpr int64_t kMaxStreamBlock = 16384;

// --- Reading one word: the value, or the error ---

Result<bool> ReadFlag(const std::string& word);
// Within the directive's bounds.
Result<int64_t> ReadInteger(const Directive& directive, const std::string& word);
// Bytes, with or without a unit, within the directive's bounds.
Result<int64_t> ReadSize(const Directive& directive, const std::string& word);
// The index of the word in the directive's choices.
Result<size_t> ReadChoice(const Directive& directive, const std::string& word);

// --- Values that are one member of Settings (or of its parts) or of ServerOptions ---

template <class Owner, class T>
Owner OwnerOf(T Owner::*);

template <auto kMember, class Values>
auto& Field(Values& values) {
  using Owner = decltype(OwnerOf(kMember));
  if constexpr (std::is_same_v<Owner, Settings>) {
    return values.settings.*kMember;
  } else if constexpr (std::is_same_v<Owner, DataOptions>) {
    return values.settings.data.*kMember;
  } else if constexpr (std::is_same_v<Owner, EncodingLimits>) {
    return values.settings.data.encoding_limits.*kMember;
  } else if constexpr (std::is_same_v<Owner, TopicOptions>) {
    return values.settings.data.topic_defaults.*kMember;
  } else if constexpr (std::is_same_v<Owner, ColdSettings>) {
    return values.settings.cold.*kMember;
  } else {
    return values.options.*kMember;
  }
}

template <auto kMember>
constexpr Directive Flag(std::string_view name, Directive::Change change, std::string_view why) {
  return {.name = name,
          .change = change,
          .parse =
              [](const Directive&, Directive::Words words, ConfigValues* values) {
                const Result<bool> value = ReadFlag(words[0]);
                if (value.ok()) Field<kMember>(*values) = *value;
                return value.status();
              },
          .format = [](const Directive&, const ConfigValues& values) -> std::string {
            return Field<kMember>(values) ? "yes" : "no";
          },
          .why = why};
}

// The directive under a second name.
constexpr Directive WithAlias(Directive directive, std::string_view alias) {
  directive.alias = alias;
  return directive;
}

template <auto kMember, Result<int64_t> (*kRead)(const Directive&, const std::string&)>
constexpr Directive Number(std::string_view name, Directive::Change change, int64_t least,
                           int64_t most, std::string_view why) {
  return {
      .name = name,
      .change = change,
      .parse =
          [](const Directive& directive, Directive::Words words, ConfigValues* values) {
            const Result<int64_t> value = kRead(directive, words[0]);
            auto& field = Field<kMember>(*values);
            if (value.ok()) field = static_cast<std::decay_t<decltype(field)>>(*value);
            return value.status();
          },
      .format = [](const Directive&,
                   const ConfigValues& values) { return fmt::to_string(Field<kMember>(values)); },
      .least = least,
      .most = most,
      .why = why};
}

template <auto kMember>
constexpr Directive Integer(std::string_view name, Directive::Change change, int64_t least,
                            int64_t most, std::string_view why) {
  return Number<kMember, ReadInteger>(name, change, least, most, why);
}

template <auto kMember>
constexpr Directive Size(std::string_view name, Directive::Change change, int64_t least,
                         int64_t most, std::string_view why) {
  return Number<kMember, ReadSize>(name, change, least, most, why);
}

template <auto kMember>
constexpr Directive Choice(std::string_view name, Directive::Change change,
                           std::span<const std::string_view> choices, std::string_view why) {
  return {.name = name,
          .change = change,
          .parse =
              [](const Directive& directive, Directive::Words words, ConfigValues* values) {
                const Result<size_t> value = ReadChoice(directive, words[0]);
                auto& field = Field<kMember>(*values);
                if (value.ok()) field = static_cast<std::decay_t<decltype(field)>>(*value);
                return value.status();
              },
          .format =
              [](const Directive& directive, const ConfigValues& values) {
                return std::string(directive.choices[static_cast<size_t>(Field<kMember>(values))]);
              },
          .choices = choices,
          .why = why};
}

template <auto kMember>
constexpr Directive Text(std::string_view name, Directive::Change change, std::string_view why) {
  return {
      .name = name,
      .change = change,
      .parse =
          [](const Directive&, Directive::Words words, ConfigValues* values) {
            Field<kMember>(*values) = words[0];
            return Status();
          },
      .format = [](const Directive&, const ConfigValues& values) { return Field<kMember>(values); },
      .why = why};
}

// A number of percents: "50", "99.9".
std::string FormatPercent(double percent);

// --- Values with a form of their own ---

// Bytes, or "auto".
Status ParseJournalBytes(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatJournalBytes(const Directive& directive, const ConfigValues& values);
Status ParseReplicaOf(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatReplicaOf(const Directive& directive, const ConfigValues& values);
// The name or address of a server, as others see it: without blanks and what separates fields.
Status ParseAnnouncedHost(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatAnnouncedHost(const Directive& directive, const ConfigValues& values);
Status ParseBind(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatBind(const Directive& directive, const ConfigValues& values);
Status ParseMode(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatMode(const Directive& directive, const ConfigValues& values);
Status ParseDir(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatDir(const Directive& directive, const ConfigValues& values);
Status ParseOutputLimits(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatOutputLimits(const Directive& directive, const ConfigValues& values);
Status ParseNotify(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatNotify(const Directive& directive, const ConfigValues& values);
Status ParseStreamBytes(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatStreamBytes(const Directive& directive, const ConfigValues& values);
Status ParseLogFormat(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatLogFormat(const Directive& directive, const ConfigValues& values);
Status ParsePercentiles(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatPercentiles(const Directive& directive, const ConfigValues& values);
Status ParseSave(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatSave(const Directive& directive, const ConfigValues& values);

// --- Values that change nothing ---

// Has one value; `why` says why it has no other.
Status ParseOnly(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatOnly(const Directive& directive, const ConfigValues& values);

constexpr Directive Only(std::string_view name, std::string_view value, std::string_view why,
                         std::string_view alias = {},
                         std::span<const std::string_view> choices = {}) {
  return {.name = name,
          .parse = ParseOnly,
          .format = FormatOnly,
          .choices = choices,
          .several = true,
          .value = value,
          .alias = alias,
          .why = why};
}

// Accepted without effect. The text is kept in the form in which CONFIG GET shows it.
Status KeepFlag(const Directive& directive, Directive::Words words, ConfigValues* values);
Status KeepInteger(const Directive& directive, Directive::Words words, ConfigValues* values);
Status KeepSize(const Directive& directive, Directive::Words words, ConfigValues* values);
Status KeepChoice(const Directive& directive, Directive::Words words, ConfigValues* values);
Status KeepText(const Directive& directive, Directive::Words words, ConfigValues* values);
std::string FormatKept(const Directive& directive, const ConfigValues& values);

constexpr Directive Kept(std::string_view name, decltype(Directive::parse) keep,
                         std::string_view value, std::string_view alias = {}) {
  return {.name = name,
          .parse = keep,
          .format = FormatKept,
          .least = std::numeric_limits<int64_t>::min(),
          .most = std::numeric_limits<int64_t>::max(),
          .effect = false,
          .value = value,
          .alias = alias};
}

// The same for any number of words.
constexpr Directive KeptText(std::string_view name, std::string_view value,
                             std::string_view alias = {}) {
  Directive directive = Kept(name, KeepText, value, alias);
  directive.several = true;
  return directive;
}

}  // namespace runnel::config
