#include "commands/group/commands.h"

#include "commands/families.h"
#include "commands/key_specs.h"

namespace runnel {
namespace {

using namespace commands;
using namespace key_specs;

constexpr KeySpec kReadGroupKeys[] = {
    {.find = KeySpec::kKeyword, .access = KeySpec::kRO, .use = KeySpec::kUseAccess, .first = 4},
};
constexpr KeySpec kUpdateDelete[] = {
    {.access = KeySpec::kRW, .use = KeySpec::kUseUpdate | KeySpec::kUseDelete},
};
constexpr KeySpec kAdminInsert[] = {
    {.access = KeySpec::kRW, .use = KeySpec::kUseInsert, .first = 2},
};
constexpr KeySpec kAdminUpdate[] = {
    {.access = KeySpec::kRW, .use = KeySpec::kUseUpdate, .first = 2},
};
constexpr KeySpec kAdminDelete[] = {
    {.access = KeySpec::kRW, .use = KeySpec::kUseDelete, .first = 2},
};

constexpr CommandSpec kAdminCommands[] = {
    {.name = "create",
     .run = XGroupCreate,
     .arity = -5,
     .flags = kWrite | kDenyOom,
     .categories = kAclStream,
     .keys = kAdminInsert,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Creates a consumer group",
     .syntax = "key groupname <id|$> [MKSTREAM] [ENTRIESREAD entries_read:integer]"},
    {.name = "setid",
     .run = XGroupSetId,
     .arity = -5,
     .flags = kWrite,
     .categories = kAclStream,
     .keys = kAdminUpdate,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Moves a consumer group to another ID",
     .syntax = "key groupname <id|$> [ENTRIESREAD entries_read:integer]"},
    {.name = "destroy",
     .run = XGroupDestroy,
     .arity = 4,
     .flags = kWrite,
     .categories = kAclStream,
     .keys = kAdminDelete,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N pending entries",
     .summary = "Removes a consumer group",
     .syntax = "key groupname"},
    {.name = "createconsumer",
     .run = XGroupCreateConsumer,
     .arity = 5,
     .flags = kWrite | kDenyOom,
     .categories = kAclStream,
     .keys = kAdminInsert,
     .group = "stream",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Creates a consumer",
     .syntax = "key groupname consumername"},
    {.name = "delconsumer",
     .run = XGroupDelConsumer,
     .arity = 5,
     .flags = kWrite,
     .categories = kAclStream,
     .keys = kAdminDelete,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N pending entries",
     .summary = "Removes a consumer and forgets its pending entries",
     .syntax = "key groupname consumername"},
    {.name = "help",
     .run = XGroupHelp,
     .arity = 2,
     .flags = kLoading | kStale,
     .categories = kAclStream,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Tells about the subcommands",
     .syntax = ""},
};

constexpr CommandSpec kGroupCommands[] = {
    {.name = "xgroup",
     .arity = -2,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "That of the subcommand",
     .summary = "Manages consumer groups",
     .syntax = "",
     .subcommands = kAdminCommands},
    {.name = "xreadgroup",
     .run = XReadGroup,
     .arity = -7,
     .flags = kWrite | kBlocking | kMovableKeys,
     .categories = kAclStream,
     .keys = kReadGroupKeys,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries returned",
     .summary = "Gives a consumer the entries that its group was not given yet, or its own pending "
                "ones; may wait",
     .syntax = "GROUP (group consumer) [COUNT count] [MAXCOUNT maxcount:integer] [MAXSIZE "
               "maxsize:integer] [BLOCK milliseconds] [CLAIM min-idle-time:integer] [NOACK] "
               "STREAMS (key ... id ...)"},
    {.name = "xack",
     .run = XAck,
     .arity = -4,
     .flags = kWrite | kFast,
     .categories = kAclStream,
     .keys = kUpdate,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(log P) for each ID and P pending entries",
     .summary = "Acknowledges entries, which are then not pending any more",
     .syntax = "key group id ..."},
    {.name = "xackdel",
     .run = XAckDel,
     .arity = -6,
     .flags = kWrite | kFast,
     .categories = kAclStream,
     .keys = kUpdateDelete,
     .group = "stream",
     .since = "8.2.0",
     .complexity = "O(log P + log S) for each ID",
     .summary = "Acknowledges entries and removes them from the stream",
     .syntax = "key group [<KEEPREF|DELREF|ACKED>] IDS (numids:integer id ...)"},
    {.name = "xnack",
     .run = XNack,
     .arity = -7,
     .flags = kWrite | kFast,
     .categories = kAclStream,
     .keys = kUpdate,
     .group = "stream",
     .since = "8.8.0",
     .complexity = "O(log P) for each ID and P pending entries",
     .summary = "Gives pending entries back to the group, for others to claim at once",
     .syntax = "key group <SILENT|FAIL|FATAL> IDS (numids:integer id ...) [RETRYCOUNT count] "
               "[FORCE]"},
    {.name = "xpending",
     .run = XPending,
     .arity = -3,
     .flags = kReadOnly,
     .categories = kAclStream,
     .keys = kRead,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries looked at",
     .summary = "Shows the pending entries of a group",
     .syntax = "key group [([IDLE min-idle-time:integer] start end count [consumer])]"},
    {.name = "xclaim",
     .run = XClaim,
     .arity = -6,
     .flags = kWrite | kFast,
     .categories = kAclStream,
     .keys = kUpdate,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(log P) for each ID and P pending entries",
     .summary = "Makes pending entries those of another consumer",
     .syntax = "key group consumer min-idle-time id ... [IDLE ms:integer] [TIME "
               "unix-time-milliseconds:unix-time] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID "
               "id]"},
    {.name = "xautoclaim",
     .run = XAutoClaim,
     .arity = -6,
     .flags = kWrite | kFast,
     .categories = kAclStream,
     .keys = kDelete,
     .group = "stream",
     .since = "6.2.0",
     .complexity = "O(N) for N entries looked at",
     .summary = "Makes those pending entries of a group another consumer's that wait for too long",
     .syntax = "key group consumer min-idle-time start [COUNT count] [JUSTID]"},
};

}  // namespace

std::span<const CommandSpec> GroupCommands() {
  return kGroupCommands;
}

}  // namespace runnel
