#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <lua.hpp>

#include "resp/reply_writer.h"

namespace runnel {

// Redis's rules by which replies of commands become values of Lua, and values of Lua replies.

// Pushes the value of one reply, in RESP2 or RESP3:
//   integer, bulk              number, string
//   simple string, error       {ok=text}, {err=text, ignore_error_stats_update=true}
//   array, null of RESP2       table, false
//   map, set, double           {map={...}}, {set={member=true}}, {double=number}
//   boolean, null of RESP3     boolean, nil
//   big number, verbatim text  {big_number=text}, {verbatim_string={format=text, string=text}}
// The bytes are a complete reply. Raises in Lua's way if memory ends.
void PushReply(lua_State* L, std::string_view bytes);

// Pushes {err=text}. `text` is as an error's line is: with a minus at the beginning, or without; it
// gets the code ERR if it has none.
void PushErrorTable(lua_State* L, std::string_view text);

// Writes values of Lua as replies. It keeps its memory for the next one.
class ReplyBuilder {
 public:
  // Writes the value on the top, and takes it away. `protocol`: 3 after redis.setresp(3); then
  // booleans stay booleans. Raises in Lua's way if the reply gets larger than `max_bytes` or is too
  // deep; then the caller removes what was written.
  void Write(lua_State* L, int protocol, size_t max_bytes, ReplyWriter& reply);

  // How many errors in it were the error reply of a command, as it came. Of the others the host was
  // told (ScriptHost::CountError).
  uint64_t counted_errors() const { return counted_errors_; }

 private:
  // A table that is being written. It is on Lua's stack; of a map or set the last key follows it.
  struct Open {
    enum Kind : uint8_t { kArray, kMap, kMapValue, kSet } kind;
    int64_t written;
    int64_t size;
  };

  void Value(lua_State* L);
  void Table(lua_State* L);
  bool TaggedTable(lua_State* L);
  void OpenTable(lua_State* L, Open::Kind kind);
  void Continue(lua_State* L);

  std::vector<Open> open_;
  ReplyWriter* reply_ = nullptr;
  int protocol_ = 2;
  uint64_t counted_errors_ = 0;
};

}  // namespace runnel
