#pragma once

#include <absl/container/btree_set.h>
#include <absl/container/inlined_vector.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/stream_id.h"
#include "commands/arguments.h"
#include "commands/context.h"
#include "data/stream/stream.h"

// Reading the arguments that commands on streams and consumer groups share. As in arguments.h, a
// function that returns false has written the error.

namespace runnel::commands {

// IDs named by one command. The usual few need no allocation.
using IdList = absl::InlinedVector<StreamId, 16>;

// "ms-seq", or "ms" for "ms-0".
[[nodiscard]] bool ReadId(Context& context, std::string_view text, StreamId* id);
[[nodiscard]] bool ReadIds(Context& context, std::span<const std::string_view> texts, IdList* ids);

// The first ID of an interval: `-`, `+`, an ID, or `(` and an ID for the one after it.
[[nodiscard]] bool ReadIntervalStart(Context& context, std::string_view text, StreamId* first);
// The last one, with `(` for the one before; "ms" means all IDs of that millisecond.
[[nodiscard]] bool ReadIntervalEnd(Context& context, std::string_view text, StreamId* last);

// What happens to references that consumer groups have to a removed entry.
enum class References : uint8_t {
  kKeep,    // KEEPREF: they are kept
  kDelete,  // DELREF: they are removed
  kAcked,   // ACKED: an entry that a group still needs is not removed
};

// Parses one of the three words. Returns false, and writes nothing, if the argument is none of
// them.
bool ParseReferences(std::string_view argument, References* references);

// The options of XADD and XTRIM that say which entries are removed.
struct TrimOptions {
  bool given = false;  // MAXLEN or MINID was
  StreamTrim trim;
  References references = References::kKeep;

  bool has_references = false;
  bool has_limit = false;
};

enum class OptionRead {
  kTaken,    // *i is now at the option's last argument
  kUnknown,  // the argument is no such option
  kError,    // the error is written
};
OptionRead ReadTrimOption(Context& context, size_t* i, TrimOptions* options);
// Checks that the options fit together, and that MAXLEN or MINID was given if `required`; sets the
// limit.
[[nodiscard]] bool FinishTrimOptions(Context& context, bool required, TrimOptions* options);

// `[KEEPREF|DELREF|ACKED] IDS numids id [id ...]`, in any order, from argument `begin` to the last
// one. *ids are the texts of the IDs.
[[nodiscard]] bool ReadIdsBlock(Context& context, size_t begin, References* references,
                                std::span<const std::string_view>* ids);

// Finds IDs of a list that occur more than once. Costs nearly nothing if there are none, the usual
// case.
class RepeatFinder {
 public:
  explicit RepeatFinder(const IdList& ids);

  // Call it for each ID of the list, in order.
  bool IsRepeat(StreamId id) { return any_ && !seen_.insert(id).second; }

 private:
  bool any_;
  absl::btree_set<StreamId> seen_;
};

// Errors that name a key and a group.
//
// "NOGROUP No such key 'k' or consumer group 'g'", and what is appended.
void ReplyNoKeyOrGroup(Context& context, std::string_view key, std::string_view group,
                       std::string_view appended = "");
// "NOGROUP No such consumer group 'g' for key name 'k'".
void ReplyNoGroup(Context& context, std::string_view key, std::string_view group);
// Of a command with subcommands: "ERR unknown subcommand or wrong number of arguments for 'X'. Try
// COMMAND HELP."
void ReplySubcommandSyntax(Context& context, std::string_view command);

// The group of this name and the stream that has it: nullptr if there is no such key or group.
// False if the key holds another type.
[[nodiscard]] bool FindGroup(Context& context, const KeyRef& key, std::string_view name,
                             const Stream** stream, const ConsumerGroup** group);

}  // namespace runnel::commands
