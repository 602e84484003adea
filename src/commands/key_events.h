#pragma once

#include "commands/context.h"

// What commands say about a key beside the events of their own type.

namespace runnel {

// A command has just made this key: notes that it was used and notifies "new", which comes before
// all other events.
inline void NotifyNew(Context& context, const KeyRef& key) {
  if (const KeyEntry* entry = context.keyspace().Find(key)) {
    entry->NoteAccess(static_cast<uint32_t>(context.now_ms() / 1000));
  }
  context.Notify(kNotifyNew, "new", key);
}

// A command has just taken this key away.
inline void NotifyDeleted(Context& context, const KeyRef& key) {
  context.Notify(kNotifyGeneric, "del", key);
}

}  // namespace runnel
