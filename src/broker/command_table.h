#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "commands/command.h"

namespace runnel {

// Calls of one command and the time they took, for INFO commandstats and LATENCY HISTOGRAM.
struct CommandStats {
  uint64_t calls = 0;
  uint64_t cycles = 0;    // see base/cycle_clock.h
  uint64_t rejected = 0;  // refused before they ran
  uint64_t failed = 0;    // ran and answered with an error
  // Calls whose time in nanoseconds has this many bits.
  std::array<uint64_t, 64> histogram{};
  // The index at which a call of this duration is counted. Any value has one, because the time
  // comes from a counter that may be wrong.
  static size_t HistogramIndex(double nanos) {
    constexpr size_t kLast = std::tuple_size_v<decltype(histogram)> - 1;
    if (!(nanos > 0)) return 0;
    if (nanos >= 0x1p62) return kLast;
    return std::min<size_t>(std::bit_width(static_cast<uint64_t>(nanos)), kLast);
  }
};

// A command as the table holds it: the specification and what has been counted.
struct Command {
  const CommandSpec* spec = nullptr;
  const Command* parent = nullptr;  // of a subcommand
  std::string full_name;            // "xadd", "xgroup|create"
  bool audited = false;             // see broker/audit.h
  std::vector<std::unique_ptr<Command>> subcommands;
  mutable CommandStats stats;
};

// All commands that the server has, found by name in any case.
class CommandTable {
 public:
  CommandTable() = default;
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // Adds a family. The specs live as long as the table; names must be unique.
  void Add(std::span<const CommandSpec> specs);

  // nullptr if there is no such command.
  const Command* Find(std::string_view name) const;
  // By "name" or "name|subcommand".
  const Command* FindFull(std::string_view full_name) const;
  static const Command* FindSubcommand(const Command& parent, std::string_view name);

  // In the order in which they were added; without subcommands.
  const std::vector<std::unique_ptr<Command>>& commands() const { return commands_; }
  void ResetStats() const;

 private:
  void Grow();

  std::vector<std::unique_ptr<Command>> commands_;
  // Open addressing; the size is a power of two and at least four times the number of commands.
  std::vector<const Command*> slots_;
};

}  // namespace runnel
