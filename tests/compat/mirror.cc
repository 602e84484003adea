#include "tests/compat/mirror.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cstdlib>

namespace runnel::compat {
namespace {

using test::Reply;

bool Is(const std::string& word, const char* name) {
  return strcasecmp(word.c_str(), name) == 0;
}

// The index of the word, or the number of words.
size_t Find(const Argv& command, size_t from, const char* name) {
  for (size_t i = from; i < command.size(); ++i) {
    if (Is(command[i], name)) return i;
  }
  return command.size();
}

// "<ms>-<offset>" of the record that comes `count` after this one, in the same command.
std::string IdAfter(const std::string& id, uint64_t count) {
  const size_t dash = id.find('-');
  const uint64_t offset = strtoull(id.c_str() + dash + 1, nullptr, 10);
  return fmt::format("{}-{}", id.substr(0, dash), offset + count);
}

void MirrorCreate(const Argv& command, Mirrored* mirrored) {
  const size_t at = Find(command, 3, "PARTITIONS");
  const int partitions = at + 1 < command.size() ? atoi(command[at + 1].c_str()) : 0;
  for (int i = 0; i < partitions; ++i) {
    const std::string name = fmt::format("{}/{}", command[2], i);
    mirrored->commands.push_back({"XGROUP", "CREATE", name, "made", "0", "MKSTREAM"});
    mirrored->commands.push_back({"XGROUP", "DESTROY", name, "made"});
  }
}

void MirrorTrim(const Argv& command, Side* ours, Mirrored* mirrored) {
  const Reply earliest = ours->Control({"TOPIC", "OFFSETS", command[2], "EARLIEST"});
  if (earliest.items.size() != 1 || earliest.items[0].items.size() != 3) {
    mirrored->problem = test::ToText(earliest);
    return;
  }
  const std::vector<Reply>& found = earliest.items[0].items;  // name, offset, time
  if (found[2].integer < 0) {
    mirrored->commands.push_back({"XTRIM", command[2], "MAXLEN", "0"});
  } else {
    mirrored->commands.push_back(
        {"XTRIM", command[2], "MINID", fmt::format("{}-{}", found[2].integer, found[1].integer)});
  }
}

void MirrorDelete(const Argv& command, Side* theirs, Mirrored* mirrored) {
  if (theirs == nullptr) return;
  for (const Reply& name : theirs->Control({"KEYS", command[2] + "/*"}).items) {
    mirrored->commands.push_back({"DEL", name.text});
  }
}

// The index of TADD's first field; 0 if there is none.
size_t FirstField(const Argv& command) {
  for (size_t i = 2; i < command.size();) {
    if (command[i] == "*") return i + 1;
    if (Is(command[i], "TOMBSTONE")) return 0;
    i += Is(command[i], "PRODUCER") ? 4 : 2;
  }
  return 0;
}

void MirrorAdd(const Argv& command, const Reply& reply, Mirrored* mirrored) {
  const size_t first = FirstField(command);
  if (first == 0 || reply.items.size() != 2) {
    mirrored->problem = "no fields";
    return;
  }
  mirrored->id = reply.items[1].text;
  Argv add = {"XADD", reply.items[0].text, mirrored->id};
  add.insert(add.end(), command.begin() + static_cast<ptrdiff_t>(first), command.end());
  mirrored->commands.push_back(std::move(add));
}

void MirrorAddMany(const Argv& command, const Reply& reply, Mirrored* mirrored) {
  if (reply.items.size() != 1 || command[1] != reply.items[0].items[0].text) {
    mirrored->problem = "the partition must be named";
    return;
  }
  const std::vector<Reply>& added = reply.items[0].items;  // name, first ID, count
  mirrored->id = added[1].text;
  const size_t names = Find(command, 2, "FIELDS") + 2;
  const auto width = static_cast<size_t>(atoi(command[names - 1].c_str()));
  size_t at = names + width + 1;
  const bool keyed = Find(command, 2, "NOKEYS") >= names;
  for (int64_t i = 0; i < added[2].integer; ++i) {
    if (keyed) ++at;
    Argv add = {"XADD", command[1], IdAfter(mirrored->id, static_cast<uint64_t>(i))};
    for (size_t field = 0; field < width; ++field) {
      add.push_back(command[names + field]);
      add.push_back(command[at++]);
    }
    mirrored->commands.push_back(std::move(add));
  }
}

}  // namespace

Mirrored Mirror(const Argv& command, const Reply& reply, Side* ours, Side* theirs) {
  Mirrored mirrored;
  const bool topic = command.size() > 2 && Is(command[0], "TOPIC");
  if (reply.is_error() || reply.is_note() || test::ToText(reply) == "+QUEUED") {
    mirrored.problem = test::ToText(reply);
  } else if (topic && Is(command[1], "CREATE")) {
    MirrorCreate(command, &mirrored);
  } else if (topic && Is(command[1], "TRIM")) {
    MirrorTrim(command, ours, &mirrored);
  } else if (topic && Is(command[1], "DELETE")) {
    MirrorDelete(command, theirs, &mirrored);
  } else if (Is(command[0], "TADD")) {
    MirrorAdd(command, reply, &mirrored);
  } else if (Is(command[0], "TADDM")) {
    MirrorAddMany(command, reply, &mirrored);
  } else {
    mirrored.problem = "no command that can be mirrored";
  }
  return mirrored;
}

}  // namespace runnel::compat
