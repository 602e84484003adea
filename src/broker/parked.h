#pragma once

#include <memory>

#include "broker/owned_args.h"
#include "broker/waiters.h"
#include "cold/cold_store.h"

namespace runnel {

// A command that looked at cold entries, and is run again when they are in memory. Owned by its
// session.
struct Parked {
  const Command* command = nullptr;
  OwnedArgs args;
  // How it waited until now, with its arguments, if it was being run again after a wait.
  std::unique_ptr<Blocking> resumed;
  bool may_block = true;
  // Hold what was loaded for it in this and earlier rounds.
  ColdStore::Pins pins;
  // What it has learned in these.
  std::unique_ptr<ColdProgress> progress;
};

}  // namespace runnel
