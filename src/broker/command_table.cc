#include "broker/command_table.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/text.h"
#include "broker/audit.h"

namespace runnel {
namespace {

// Names are short: the length, and the first and last eight bytes with the bit that tells upper
// from lower case set, tell nearly all of them apart.
uint64_t HashName(std::string_view name) {
  uint64_t head = 0;
  uint64_t tail = 0;
  if (name.size() >= 8) {
    std::memcpy(&head, name.data(), 8);
    std::memcpy(&tail, name.data() + name.size() - 8, 8);
  } else if (name.size() >= 4) {
    std::memcpy(&head, name.data(), 4);
    std::memcpy(&tail, name.data() + name.size() - 4, 4);
  } else {
    for (const char c : name) {
      head = head << 8 | static_cast<unsigned char>(c);
    }
    head |= uint64_t{name.size()} << 56;
  }
  constexpr uint64_t kCaseBits = 0x2020202020202020;
  uint64_t hash =
      ((head | kCaseBits) * 0x9e3779b97f4a7c15) ^ ((tail | kCaseBits) * 0xc2b2ae3d27d4eb4f);
  hash ^= hash >> 32;
  return hash * 0xd6e8feb86659fd93 >> 16;
}

std::unique_ptr<Command> MakeCommand(const CommandSpec& spec, const Command* parent) {
  auto command = std::make_unique<Command>();
  command->spec = &spec;
  command->parent = parent;
  command->full_name =
      parent == nullptr ? std::string(spec.name) : parent->full_name + "|" + std::string(spec.name);
  command->audited = IsAudited(command->full_name);
  for (const CommandSpec& subcommand : spec.subcommands) {
    command->subcommands.push_back(MakeCommand(subcommand, command.get()));
  }
  return command;
}

void ResetStatsOf(const Command& command) {
  command.stats = CommandStats();
  for (const auto& subcommand : command.subcommands) {
    ResetStatsOf(*subcommand);
  }
}

}  // namespace

void CommandTable::Add(std::span<const CommandSpec> specs) {
  for (const CommandSpec& spec : specs) {
    CHECK(Find(spec.name) == nullptr);
    commands_.push_back(MakeCommand(spec, nullptr));
    Grow();
  }
}

void CommandTable::Grow() {
  size_t size = 64;
  while (size < 4 * commands_.size())
    size *= 2;
  slots_.assign(size, nullptr);
  for (const auto& command : commands_) {
    size_t i = HashName(command->spec->name) & (size - 1);
    while (slots_[i] != nullptr)
      i = (i + 1) & (size - 1);
    slots_[i] = command.get();
  }
}

const Command* CommandTable::Find(std::string_view name) const {
  if (slots_.empty()) return nullptr;
  for (size_t i = HashName(name) & (slots_.size() - 1); slots_[i] != nullptr;
       i = (i + 1) & (slots_.size() - 1)) {
    if (EqualsIgnoreCase(slots_[i]->spec->name, name)) return slots_[i];
  }
  return nullptr;
}

const Command* CommandTable::FindFull(std::string_view full_name) const {
  const size_t bar = full_name.find('|');
  const Command* command = Find(full_name.substr(0, bar));
  if (command == nullptr || bar == std::string_view::npos) return command;
  return FindSubcommand(*command, full_name.substr(bar + 1));
}

const Command* CommandTable::FindSubcommand(const Command& parent, std::string_view name) {
  for (const auto& subcommand : parent.subcommands) {
    if (EqualsIgnoreCase(subcommand->spec->name, name)) return subcommand.get();
  }
  return nullptr;
}

void CommandTable::ResetStats() const {
  for (const auto& command : commands_) {
    ResetStatsOf(*command);
  }
}

}  // namespace runnel
